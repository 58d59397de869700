"""`./atlas down`: stop everything."""

from __future__ import annotations

import contextlib
import os
import time

import psutil

from atlas_localstack.stack import home as homes
from atlas_localstack.stack import leftovers, state
from atlas_operator.terminal.console import errors, out

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05


def down() -> None:
    """Stop the stack; its data stays for the next `up`."""
    home = homes.find(os.environ)
    if not homes.is_running(home):
        ended = leftovers.end(home) if home.path.exists() else []
        home.stack_file.unlink(missing_ok=True)
        out.print(f"Stopped what a crash had left running: {', '.join(ended)}." if ended else "Nothing is running.")
        return
    current = state.load(home)
    with errors.status("Stopping …"):
        _ask(current.supervisor if current else 0)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while homes.is_running(home) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if homes.is_running(home) and current:
            _end(current.supervisor)
    leftovers.end(home)
    home.stack_file.unlink(missing_ok=True)
    out.print("Stopped.")


def _ask(supervisor: int) -> None:
    with contextlib.suppress(psutil.Error):
        if supervisor:
            psutil.Process(supervisor).terminate()


def _end(supervisor: int) -> None:
    with contextlib.suppress(psutil.Error):
        psutil.Process(supervisor).kill()
        psutil.Process(supervisor).wait(5)
