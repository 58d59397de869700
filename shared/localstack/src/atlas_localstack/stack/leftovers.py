"""Stops processes that a crashed supervisor left. They are found by id and start time, so that no other is stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import psutil

from atlas_localstack.stack.home import Home
from atlas_operator.files import read_json, write_json

GRACE_SECONDS = 5.0
# Start times come from the kernel in clock ticks; a rewritten float may differ in its last digits.
SAME_START = 0.05


def remember(home: Home, pids: Iterable[int | None]) -> None:
    """Save the ids of running processes, each with its start time."""
    rows = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            if pid is not None:
                rows.append({"pid": pid, "started": psutil.Process(pid).create_time()})
    write_json(home.processes_file, rows)


def end(home: Home) -> list[str]:
    """Stop the processes that are left from an earlier run, and return their names."""
    found = [process for row in read_json(home.processes_file) or [] if (process := _same(row))]
    found += [child for process in found for child in children(process.pid)]
    names = [_name(process) for process in found]
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(found, GRACE_SECONDS)[1]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, GRACE_SECONDS)
    home.processes_file.unlink(missing_ok=True)
    return names


def _same(row: dict[str, float]) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error, KeyError, TypeError, ValueError):
        process = psutil.Process(int(row["pid"]))
        if abs(process.create_time() - row["started"]) < SAME_START and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def children(pid: int) -> list[psutil.Process]:
    """All processes that one has started, and those have."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill those that still run, also where they are paused, and return when they are gone."""
    for process in (found := list(processes)):
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, GRACE_SECONDS)


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.name()
    return "unknown"
