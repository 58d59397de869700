"""Child processes that end when the process that started them ends (on Linux even when it is killed)."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

PR_SET_PDEATHSIG = 1
# Loaded before any fork: dlopen in a forked child of a threaded parent may deadlock.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """An operating system account to run a server as."""

    uid: int
    gid: int


def die_with_parent(death_signal: signal.Signals, parent: int) -> Callable[[], None] | None:
    """A preexec function: the kernel sends `death_signal` to the child when its parent is gone, even by kill -9.

    None where the kernel can't do this (macOS): remaining processes are then ended at the next start.
    """
    if _LIBC is None:
        return None
    libc = _LIBC

    def arm() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return arm


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: IO[Any] | int,
    death_signal: signal.Signals = signal.SIGKILL,
    account: Account | None = None,
    cwd: Path | None = None,
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a server in its own session, so that Ctrl-C at the terminal reaches only this process, which then stops the
    servers in order. ``inherited`` are descriptors that it gets under the same numbers.
    """
    identity: dict[str, Any] = {}
    if account is not None:
        identity = {"user": account.uid, "group": account.gid, "extra_groups": []}
    return subprocess.Popen(
        [str(part) for part in argv],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        start_new_session=True,
        pass_fds=tuple(inherited),
        preexec_fn=die_with_parent(death_signal, os.getpid()),
        **identity,
    )


def stop(process: subprocess.Popen[bytes], ask: signal.Signals, grace: float) -> None:
    """Send the signal `ask` to a process; kill it if it still runs after `grace` seconds."""
    if process.poll() is None:
        process.send_signal(ask)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log file, oldest first; empty when there is none."""
    try:
        with path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 256 * lines - 4096))
            return log.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
