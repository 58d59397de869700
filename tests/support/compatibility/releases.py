"""The folders of releases, ``shared/contracts/released/<version>/``: what is in one, and how the next is made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from atlas_contracts import schema_documents
from atlas_contracts.callers import MAY_CALL
from atlas_contracts.cloudevents import SCHEMA_VERSION
from support.compatibility import examples
from support.compatibility.differences import Difference
from support.compatibility.judgement import CALLERS, Documents, breaking, differences
from support.compatibility.openapi import without_names
from support.stack import WORKSPACE

FOLDER = WORKSPACE / "shared" / "contracts" / "released"
GATEWAY = WORKSPACE / "tests" / "contract" / "account_gateway" / "openapi.json"
"""A test holds it to what the gateway serves, byte for byte."""
ABOUT, EXAMPLES = "release.json", "examples"
Version = tuple[int, int, int]


class Refused(Exception):
    """A release that may not be made. The message says what to do."""


@dataclass(frozen=True)
class Release:
    """``schema_version`` is that of billing events, the newest that the release's readers understand."""

    version: str
    schema_version: int
    documents: Documents
    examples: dict[str, examples.Examples]
    digest: str
    folder: Path


@cache
def today() -> Documents:
    """What today's code generates, by path in a release's folder."""
    callers = {
        service: {f"{method} {without_names(path)}": sorted(names) for (method, path), names in sorted(routes.items())}
        for service, routes in MAY_CALL.items()
    }
    served = json.loads(GATEWAY.read_text(encoding="utf-8"))
    return {**schema_documents.documents(), "account-gateway.openapi.json": served, CALLERS: callers}


def versions(folder: Path = FOLDER) -> list[str]:
    """Oldest first."""
    return sorted((path.name for path in folder.iterdir() if path.is_dir()), key=number) if folder.exists() else []


def number(version: str) -> Version:
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise Refused(f"{version!r} is no version: use three numbers, 1.1.0 for instance.")
    return int(parts[0]), int(parts[1]), int(parts[2])


def load(version: str, folder: Path = FOLDER) -> Release:
    home = folder / version
    files = {str(path.relative_to(home)): json.loads(path.read_text(encoding="utf-8")) for path in sorted(home.rglob("*.json"))}
    about = files.pop(ABOUT)
    kept = {Path(path).stem: files.pop(path) for path in list(files) if path.startswith(f"{EXAMPLES}/")}
    return Release(about["version"], about["schemaVersion"], files, kept, about["digest"], home)


def against(release: Release, documents: Documents | None = None) -> list[Difference]:
    """What ``documents`` (today's) change against the release."""
    return differences(release.documents, documents or today(), newer_schema_version=release.schema_version < SCHEMA_VERSION)


def digest(home: Path) -> str:
    """Of every file of a release but the one that names it: a release that went out is never edited."""
    found = hashlib.sha256()
    for path in sorted(home.rglob("*.json")):
        if path.name != ABOUT:
            found.update(f"{path.relative_to(home)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def make(version: str, folder: Path = FOLDER) -> Path:
    """Write today's documents and examples as a release. Raises Refused, and then writes nothing."""
    wanted, known = number(version), versions(folder)
    if known:
        newest = load(known[-1], folder)
        if wanted <= number(newest.version):
            raise Refused(f"{version} is not newer than {newest.version}: a release that went out is never made again.")
        broken = breaking(against(newest))
        if broken and wanted[0] == number(newest.version)[0]:
            told = "\n".join(one.told() for one in broken)
            raise Refused(f"{version} would break who was written for {newest.version}; only another major version may.\n{told}")
    if wrong := schema_documents.outdated(schema_documents.PROJECT):
        raise Refused(f"Not current: {', '.join(wrong)}. First: python -m atlas_contracts.schema_documents --write")
    files: dict[str, Any] = {**today(), **{f"{EXAMPLES}/{name}.json": kept for name, kept in examples.made().items()}}
    home = folder / version
    for path, document in files.items():
        _write(home / path, document)
    _write(home / ABOUT, {"version": version, "schemaVersion": SCHEMA_VERSION, "digest": digest(home)})
    return home


def _write(file: Path, document: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
