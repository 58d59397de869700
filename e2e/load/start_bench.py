"""What starting a stack costs, and what it holds when nothing happens: this tree beside another one, in turn, in one run.

    python e2e/load/start_bench.py [--beside OTHER_TREE] [--rounds 5]

Another tree is a `git worktree` of another commit with a `.venv` of its own (`./atlas up` makes it). Counted is processor
time (user and system) until `./atlas up` says that all are healthy, since a busy machine doesn't change it much, and memory
(PSS) after some idle seconds. The first start of a home, which makes a database cluster, is not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

import psutil

from support.stack import Stack, free_port_base

IDLE_SECONDS = 8
PARTS = ("account-gateway", "webhook-ingest", "checkout", "entitlements", "sandbox", "nats", "postgres", "supervisor")
Row = dict[str, float]


class StackOf(Stack):
    """A stack of whichever work tree."""

    tree: Path

    def command(self, *arguments: str) -> list[str]:
        return [str(self.tree / "atlas"), *arguments]


@contextlib.contextmanager
def stack_of(tree: Path) -> Iterator[StackOf]:
    home = Path(tempfile.mkdtemp(prefix="atlas-stack-"))
    home.chmod(0o755)
    stack = StackOf(home, free_port_base())
    stack.tree = tree
    try:
        yield stack
    finally:
        stack.atlas("down")
        shutil.rmtree(home, ignore_errors=True)


def started(stack: StackOf) -> Mapping[str, float]:
    """One start, measured; stopped again."""
    spent, began = _children_spent(), time.monotonic()
    stack.up()
    row: Row = {"wall s": time.monotonic() - began, "`./atlas up` itself cpu s": _children_spent() - spent}
    row["all cpu s"] = row["`./atlas up` itself cpu s"]
    for part, processes in _by_part(stack).items():
        row[f"{part} cpu s"] = sum(_spent(each) for each in processes)
        row["all cpu s"] += row[f"{part} cpu s"]
    time.sleep(IDLE_SECONDS)
    row["all MB"] = 0
    for part, processes in _by_part(stack).items():
        row[f"{part} MB"] = sum(each.memory_full_info().pss for each in processes) / 1e6
        row["all MB"] += row[f"{part} MB"]
    stack.down()
    return row


def _by_part(stack: StackOf) -> dict[str, list[psutil.Process]]:
    """The stack's processes; Postgres' many are one part, and what is no part itself keeps the parts running."""
    pids = {stack.pid(part): part for part in ("account-gateway", "webhook-ingest", "checkout", "entitlements", "sandbox")}
    found: dict[str, list[psutil.Process]] = defaultdict(list)
    for process in stack.processes():
        name = process.name()
        other = "postgres" if "postgres" in name else "nats" if "nats" in name else "supervisor"
        found[pids.get(process.pid, other)].append(process)
    return found


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _children_spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _commit(tree: Path) -> str:
    return subprocess.run(["git", "log", "-1", "--format=%h"], cwd=tree, capture_output=True, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    trees = [*([options.beside.resolve()] if options.beside else []), ROOT]
    rows: dict[Path, list[Mapping[str, float]]] = {tree: [] for tree in trees}
    with contextlib.ExitStack() as running:
        stacks = [running.enter_context(stack_of(tree)) for tree in trees]
        for stack in stacks:
            stack.up()
            stack.down()
        for _ in range(options.rounds):
            for stack in stacks:
                rows[stack.tree].append(started(stack))
    names = [f"{part} {what}" for what in ("cpu s", "MB") for part in ("all", "`./atlas up` itself", *PARTS)] + ["wall s"]
    print(f"medians of {options.rounds} starts, in turn: {' | '.join(_commit(tree) for tree in trees)}")
    for name in names:
        found = [[row[name] for row in rows[tree] if name in row] for tree in trees]
        if all(found):
            medians = [statistics.median(each) for each in found]
            ratio = f"  × {medians[-1] / medians[0]:.2f}" if len(medians) > 1 else ""
            print(f"{name:32}" + "".join(f"{median:9.2f} ({min(each):.2f} to {max(each):.2f})" for median, each in zip(medians, found, strict=True)) + ratio)


if __name__ == "__main__":
    main()
