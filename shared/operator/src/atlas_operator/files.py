"""Files that are never half-written, and private ones."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

OWNER_ONLY = 0o600


def write_json(path: Path, value: object, mode: int = OWNER_ONLY) -> None:
    """Replace a file at once: a reader sees the old or the new content, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made readable by its owner only
    try:
        with os.fdopen(handle, "w") as partial:
            json.dump(value, partial, indent=2)
            partial.write("\n")
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """The content, or None where there is no such file or no JSON in it."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def is_damaged(path: Path) -> bool:
    """Whether there is something that is no JSON: cut off, or written by somebody else."""
    return path.exists() and read_json(path) is None
