"""The stack that runs on this machine, if one does: its folder, and what it wrote there for the command line."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from atlas_operator.errors import NoTarget, NotUnderstood
from atlas_operator.files import is_damaged, read_json


def workspace(module: Path) -> Path:
    """The folder of `./atlas` that holds this module; the working directory where it is installed elsewhere."""
    folders = module.resolve().parents
    return next((folder for folder in folders if (folder / "shared" / "operator").is_dir()), Path.cwd())


WORKSPACE = workspace(Path(__file__))


def environment(environ: Mapping[str, str], dotenv: Path = WORKSPACE / ".env") -> dict[str, str]:
    """The environment over the `.env` file beside `./atlas`; trimmed, empty means missing.

    Raises NotUnderstood where a line of the file can't be read: a value would be missing unnoticed.
    """
    merged = {**_written(dotenv), **environ}
    return {name: value.strip() for name, value in merged.items() if value and value.strip()}


def _written(dotenv: Path) -> dict[str, str]:
    """What the file says. A refusal names the line and never what stands there: it may be a secret."""
    if not dotenv.is_file():
        return {}
    values: dict[str, str] = {}
    try:
        with dotenv.open(encoding="utf-8") as file:
            for binding in parse_stream(file):
                if binding.error or (binding.key is not None and binding.value is None):
                    text = binding.original.string
                    line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
                    raise NotUnderstood(
                        f"{dotenv.name}: line {line} can't be read; write NAME=value, one a line, with quotes closed."
                    )
                if binding.key is not None and binding.value is not None:
                    values[binding.key] = binding.value
    except (OSError, UnicodeDecodeError) as error:
        raise NotUnderstood(f"{dotenv.name} can't be read: {getattr(error, 'strerror', 'it is not UTF-8')}.") from None
    return values


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


FILES = ("stack.json", "ports.json", "run/operator.json")


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
    """The running stack, None where none runs or it has not written its files yet.

    Raises NoTarget where a file of a running stack can't be read.
    """
    home = atlas_home(environ)
    if not is_running(home):
        return None
    for name in FILES:
        refuse_damaged(home / name)
    read = [read_json(home / name) for name in FILES]
    return LocalStack(*read) if all(read) else None


def refuse_damaged(path: Path) -> None:
    """Raises NoTarget where a file that a running stack has written is no JSON any more."""
    if is_damaged(path):
        raise NoTarget(f"{path} is damaged: it is no whole JSON. ./atlas down, then ./atlas up writes it anew.")
