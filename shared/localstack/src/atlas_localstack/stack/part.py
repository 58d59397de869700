"""What the supervisor knows of one process."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

FRESH = "`./atlas up --fresh` deletes the local data and starts anew."


async def _at_once() -> None:
    """Waits for nothing."""


@dataclass(frozen=True)
class Part:
    """One process of the stack. `ready` returns whether it works, and if not, why.

    `prepare` and `start` raise ServerError where it can't be started.
    """

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    ready: Callable[[subprocess.Popen[bytes]], Awaitable[tuple[bool, str]]]
    prepare: Callable[[], None] = lambda: None
    wait: Callable[[], Awaitable[None]] = _at_once
    """Returns when it may be started, or started again."""
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    role: Callable[[], str] = lambda: ""
    """What it is at the moment, of those that may be one thing or another."""
