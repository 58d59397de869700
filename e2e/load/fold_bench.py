"""What one fold costs: microseconds of processor time of Postgres and of Python, by the number of users and of events in it.

    python e2e/load/fold_bench.py [--users 300 5000 20000] [--sizes 1 3 16]

The real fold on a Postgres of its own with fsync on, without broker and service. In each line the users' number is the one before
its folds. Run it by turns in two trees to compare them; TMPDIR=/dev/shm takes the disk out.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

import psycopg
from ledger_rows import PLACE, _purchase
from processor_time import spent
from pydantic import SecretStr

from atlas_kit.messaging.events import billing_event, encode
from atlas_kit.messaging.outbox import QUIET
from atlas_kit.storage.database import Database
from entitlements.adapters.ledger_entry import LedgerEntry, ledger_entry
from entitlements.domain.policy import Policy
from entitlements.use_cases.fold import fold
from support.embedded import embedded_postgres

WARM, AT_ONCE = 8, 200
BOUGHT = encode(billing_event(_purchase(refunded=False, disputed=False)[1], "bench"))


class Folder:
    """Folds purchases of ever new users."""

    def __init__(self, database: Database) -> None:
        self._database, self.users = database, 0

    def purchases(self, count: int) -> list[LedgerEntry]:
        first, self.users = self.users, self.users + count
        wires = [BOUGHT.replace(str(PLACE).encode(), str(PLACE + number).encode()) for number in range(first + 1, first + count + 1)]
        return [ledger_entry(wire, {}) for wire in wires]

    async def fold(self, entries: list[LedgerEntry]) -> None:
        async with self._database.together() as work:
            await fold(work, entries, Policy(), datetime.now(UTC))

    async def fill(self, users: int) -> None:
        while self.users < users:
            await self.fold(self.purchases(min(AT_ONCE, users - self.users)))
        await self.announced()

    async def announced(self) -> None:
        async with self._database.transaction() as connection:
            await connection.execute("DELETE FROM outbox")


async def measure(folder: Folder, postmaster: int, size: int) -> None:
    users, folds = folder.users, 300 if size < 16 else 100
    batches = [folder.purchases(size) for _ in range(folds + WARM)]
    for batch in batches[:WARM]:
        await folder.fold(batch)
    server, python = spent(postmaster), time.process_time()
    for batch in batches[WARM:]:
        await folder.fold(batch)
    server, python = (spent(postmaster) - server) / folds, (time.process_time() - python) / folds
    print(f"{users:7,} users, fold of {size:2}: Postgres {server * 1e6:7,.0f}  Python {python * 1e6:7,.0f} µs", flush=True)
    await folder.announced()


async def run(options: argparse.Namespace) -> None:
    with embedded_postgres(durable=True) as postgres:
        dsn = postgres.create_database()
        with psycopg.connect(dsn) as connection:
            data = Path(str((connection.execute("SHOW data_directory").fetchone() or [""])[0]))
        postmaster = int((data / "postmaster.pid").read_text().splitlines()[0])
        database = Database(SecretStr(dsn), "entitlements", pipelined_connections=1, pipelined_options=QUIET)
        await database.start()
        await database.migrated.wait()
        folder = Folder(database)
        for users in options.users:
            await folder.fill(users)
            for size in options.sizes:
                await measure(folder, postmaster, size)
        await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[300, 5_000, 20_000])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 3, 16])
    asyncio.run(run(parser.parse_args()))
