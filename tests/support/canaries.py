"""Planted secrets and personal data, and where they turned up."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

MIN_LENGTH = 8  # shorter texts turn up by chance


@dataclass
class Canaries:
    """What nobody may find: by name, in every spelling in which a program is likely to repeat it."""

    values: dict[str, str] = field(default_factory=dict)

    def plant(self, name: str, value: str) -> str:
        assert len(value) >= MIN_LENGTH, f"{name} is too short to be recognized"
        self.values[name] = value
        return value

    def make(self, name: str, prefix: str = "") -> str:
        """A value that exists nowhere else."""
        return self.plant(name, f"{prefix}CaNaRy{secrets.token_hex(16)}")

    def found_in(self, where: str, content: bytes) -> list[str]:
        """``<canary> in <where>`` for each canary that the content holds."""
        return [
            f"{name} in {where}"
            for name, value in self.values.items()
            if any(spelling in content for spelling in _spellings(value))
        ]


def _spellings(value: str) -> set[bytes]:
    plain = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]}
    texts = {text.encode() for text in plain}
    encoded = {base64.b64encode(value.encode()).rstrip(b"="), value.encode().hex().encode()}
    return texts | encoded


def files_below(folder: Path, exempt: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Every file with its bytes (gzip undone), except what ``exempt`` names. Files that vanish meanwhile are skipped."""
    excluded = [path.resolve() for path in exempt]
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        if any(path.resolve().is_relative_to(other) for other in excluded):
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        yield str(path.relative_to(folder)), gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
