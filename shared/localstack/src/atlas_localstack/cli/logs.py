"""`./atlas logs`: what a part has written."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from atlas_localstack.servers.process import tail
from atlas_localstack.stack import home as homes
from atlas_localstack.stack import state
from atlas_localstack.stack.plan import PARTS
from atlas_operator.terminal.console import fail, misunderstood

POLL_SECONDS = 0.2


def logs(
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(PARTS)}.")],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing new lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 100,
) -> None:
    """Show the last lines that a part has written in this run."""
    home = homes.find(os.environ)
    last = state.load(home)
    parts = list(dict.fromkeys((*PARTS, *(last.parts if last else ()))))  # replicas and nodes of the last run too
    if service not in parts:
        misunderstood(f"There is no part called {service}.", f"Choose one of: {', '.join(parts)}.")
    path = home.log(service)
    if not path.exists():
        fail(f"{service} has not written anything yet.", "./atlas up starts it.")
    for line in tail(path, lines) if lines else []:
        print(line, flush=follow)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            _follow(path)


def _follow(path: Path) -> None:
    position, inode = path.stat().st_size, path.stat().st_ino
    while True:
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            if found.st_size < position or found.st_ino != inode:  # a new run, or the file was emptied
                position, inode = 0, found.st_ino
            if found.st_size > position:
                with path.open("rb") as log:
                    log.seek(position)
                    new = log.read()
                position += len(new)
                print(new.decode(errors="replace"), end="", flush=True)
        time.sleep(POLL_SECONDS)
