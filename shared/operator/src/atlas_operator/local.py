"""The stack that runs on this machine, if one does: its folder, and what it wrote there for the command line."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from atlas_operator.files import read_json


def workspace(module: Path) -> Path:
    """The folder of `./atlas` that holds this module; the working directory where it is installed elsewhere."""
    folders = module.resolve().parents
    return next((folder for folder in folders if (folder / "shared" / "operator").is_dir()), Path.cwd())


WORKSPACE = workspace(Path(__file__))


def environment(environ: Mapping[str, str], dotenv: Path = WORKSPACE / ".env") -> dict[str, str]:
    """The environment over the `.env` file beside `./atlas`; trimmed, empty means missing."""
    merged = {**dotenv_values(dotenv, interpolate=False), **environ}
    return {name: value.strip() for name, value in merged.items() if value and value.strip()}


def atlas_home(environ: Mapping[str, str]) -> Path:
    """The folder of the stack that the environment means: ATLAS_HOME, else `.atlas` in the workspace."""
    chosen = environ.get("ATLAS_HOME", "").strip()
    return Path(chosen).expanduser().resolve() if chosen else WORKSPACE / ".atlas"


def lock_file(home: Path) -> Path:
    """Held by the stack's supervisor while it runs."""
    return home / "run" / "lock"


def is_running(home: Path) -> bool:
    """Whether a supervisor runs for this folder."""
    if not lock_file(home).exists():
        return False
    with lock_file(home).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@dataclass(frozen=True)
class LocalStack:
    """The files that a running stack has written about itself."""

    stack: dict[str, Any]
    """`stack.json`."""
    ports: dict[str, int]
    operator: dict[str, Any]
    """`run/operator.json`: the private key that signs an operator's calls, the broker user who may change what streams
    keep, and the retention that `up` was given.
    """


def running_stack(environ: Mapping[str, str]) -> LocalStack | None:
    """The running stack, None where none runs or it has not written its files yet."""
    home = atlas_home(environ)
    read = [read_json(home / name) for name in ("stack.json", "ports.json", "run/operator.json")]
    if not is_running(home) or not all(read):
        return None
    return LocalStack(*read)
