"""Rebuilding the projection: facts per second and memory, from ten thousand to a million ledger rows.

    python e2e/load/rebuild_bench.py [--rows 10000 100000 1000000] [--only atlas|obvious]

Each length in a database of its own. First the whole projection is built from the ledger alone (`rebuild`: fold, then
write everything), then `rebuild --verify` folds again and compares: the figure to hold, as operators run it, start of
the process included. Beside it the obvious design: one upsert for each event. Exit code 1 when a difference is found or
the cost per fact grows by more than half from the shortest ledger to the longest.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

from ledger_rows import fill

from support.embedded import EmbeddedPostgres, embedded_postgres
from support.identity import identity_of

MOST_GROWTH = 1.5
ATLAS = ["-m", "entitlements"]


@dataclass(frozen=True)
class Run:
    """Seconds on the wall and on the processor, and the most memory held."""

    result: dict
    seconds: float
    cpu: float
    megabytes: float


def run(dsn: str, *arguments: str) -> Run:
    """One process to its end; what it says last is its result."""
    environment = {**os.environ, "DATABASE_URL": dsn, "NATS_URL": "nats://127.0.0.1:9", **identity_of("entitlements")}
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE)
    said = process.stdout.read().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} failed")
    result = json.loads(said[-1])["result"] if said else {}
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Run(result, time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def show(name: str, rows: int, it: Run) -> None:
    print(
        f"{name:24} {rows:9,} rows: {rows / it.seconds:9,.0f}/s  {it.seconds:6.1f} s  CPU µs per fact {it.cpu / rows * 1e6:6.1f}"
        f"  {it.megabytes:6.0f} MB",
        flush=True,
    )


def measure(postgres: EmbeddedPostgres, rows: int, only: str | None) -> float:
    """Processor time per fact of verifying, the start of the process left out."""
    dsn = postgres.create_database()
    run(dsn, *ATLAS, "migrate")
    fill(dsn, rows)
    if only != "atlas":
        show("obvious", rows, run(dsn, str(HERE / "obvious_rebuild.py")))
    if only == "obvious":
        return 0
    show("rebuild from nothing", rows, run(dsn, *ATLAS, "rebuild"))
    verified = run(dsn, *ATLAS, "rebuild", "--verify")
    show("rebuild --verify", rows, verified)
    if verified.result["differences"] or verified.result["facts"] != rows:
        raise SystemExit(f"not the same: {verified.result}")
    return (verified.cpu - start_up(postgres)) / rows


def start_up(postgres: EmbeddedPostgres) -> float:
    """Processor time of the process before the first fact."""
    dsn = postgres.create_database()
    run(dsn, *ATLAS, "migrate")
    return run(dsn, *ATLAS, "rebuild", "--verify").cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--only", choices=["atlas", "obvious"])
    options = parser.parse_args()
    with embedded_postgres(durable=True) as postgres:
        costs = [measure(postgres, rows, options.only) for rows in options.rows]
    print("CPU µs per fact, start of the process left out:", *(f"{cost * 1e6:.1f}" for cost in costs))
    if options.only != "obvious" and len(costs) > 1 and costs[-1] > costs[0] * MOST_GROWTH:
        sys.exit("the cost per fact grows with the ledger")


if __name__ == "__main__":
    main()
