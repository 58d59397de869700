"""Processor time (user and system) per process, children included, and the sampling profiler py-spy where it is installed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil


def spent(pid: int) -> float:
    """Seconds that the process, its children and those children of theirs that have ended have spent so far."""
    tree = [process := psutil.Process(pid), *process.children(recursive=True)]
    seconds = 0.0
    for process in tree:
        with contextlib.suppress(psutil.Error):  # it has just ended: its parent has its time
            seconds += sum(process.cpu_times()[:4])
    return seconds


def snapshot(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds by the process's name."""
    return {name: spent(pid) for name, pid in pids.items()}


def per_event(before: Mapping[str, float], after: Mapping[str, float], events: int) -> dict[str, float]:
    """Microseconds per event by the process's name."""
    return {name: (after[name] - before[name]) * 1e6 / events for name in before}


@contextlib.contextmanager
def profiled(pids: Mapping[str, int], folder: Path | None, label: str) -> Iterator[None]:
    """While the block runs, a profile of each Python process is taken: `<folder>/<label>-<name>.txt`, a line per stack, the
    number of samples at its end. Without `folder` nothing is. Raises SystemExit where py-spy isn't installed.
    """
    if folder is None:
        yield
        return
    beside = Path(sys.executable).with_name("py-spy")
    spy = str(beside) if beside.exists() else shutil.which("py-spy")
    if spy is None:
        raise SystemExit("--profile needs py-spy: pip install py-spy")
    folder.mkdir(parents=True, exist_ok=True)
    watchers = [
        subprocess.Popen(
            [spy, "record", "--pid", str(pid), "--rate", "400", "--format", "raw", "--duration", "3600", "--nonblocking",
             "--output", str(folder / f"{label}-{name}.txt")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for name, pid in pids.items()
        if "python" in psutil.Process(pid).name()
    ]  # fmt: skip
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.send_signal(2)  # py-spy writes its file when interrupted
        for watcher in watchers:
            watcher.wait(60)
