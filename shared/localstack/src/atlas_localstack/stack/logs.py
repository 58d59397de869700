"""One log file per part, with the lines of this run, and one older file beside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO

LIMIT_BYTES = 20 * 1024 * 1024


def begin(path: Path) -> None:
    """Start a new file for a new run; the last run's becomes `<name>.log.1`."""
    if path.exists() and path.stat().st_size:
        path.replace(path.with_suffix(".log.1"))


def open_for_append(path: Path) -> IO[bytes]:
    """Open the file as a program's output; in append mode, so that it can be emptied while the program writes."""
    return path.open("ab")


def limit(path: Path) -> None:
    """Keep a running program's log from filling the disk: above the limit, copy it to `<name>.log.1` and empty it.

    Lines that are written between the two steps are lost.
    """
    if path.exists() and path.stat().st_size > LIMIT_BYTES:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        with path.open("r+b") as log:
            log.truncate(0)
