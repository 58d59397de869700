"""After an upgrade, the projection is rebuilt automatically if an older version of the fold made part of it.

Older replicas may run beside newer ones for a while. Every row of the ledger stores the version of the fold that folded
it (``read_by``). While the ledger has rows after the last rebuild that an older version folded, the projection is
rebuilt from the ledger.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from time import monotonic

import psycopg

from atlas_kit.http.errors import Unavailable
from atlas_kit.process.logs import get_logger
from atlas_kit.storage.database import Connection, Database
from entitlements.adapters.rebuild_process import rebuild_process
from entitlements.domain.fold_version import FOLD_VERSION

log = get_logger()

LOOK_SECONDS = 5.0
"""Seconds between two checks. After a rebuild the pause is at least as long as the rebuild took, so that replicas of an
older version, which go on folding, can't keep a newer one rebuilding all the time."""
REFOLD_LOCK = 5_210_718
"""Key of the advisory lock that the rebuilding replica holds, so that only one rebuilds."""

_PROGRESS = """
SELECT p.reading, p.until, coalesce((SELECT max(seq) FROM ledger), 0),
       EXISTS (SELECT 1 FROM ledger WHERE seq > p.until AND read_by < %(ours)s)
FROM projection_reading p
"""


async def mark_folded(connection: Connection, until: int) -> None:
    """Record that our version of the fold made the projection from the ledger up to sequence ``until``."""
    await connection.execute("UPDATE projection_reading SET reading = %s, until = %s", (FOLD_VERSION, until))


async def is_behind(connection: Connection) -> bool:
    """Whether an older version of the fold made part of the projection. If none did, that is recorded."""
    cursor = await connection.execute(_PROGRESS, {"ours": FOLD_VERSION})
    row = await cursor.fetchone()
    assert row
    version, until, last, folded_by_older = row
    if version > FOLD_VERSION:
        return False  # ours is the older one
    if not last:  # a new database has nothing to fold, and a rebuild is a process of its own
        await mark_folded(connection, 0)
        return False
    if version < FOLD_VERSION or folded_by_older:
        return True
    if last > until:
        await mark_folded(connection, last)
    return False


class RefoldAfterUpgrade:
    """A worker in every replica; the one that gets the lock rebuilds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Check, and rebuild when needed, until cancelled."""
        await self._database.migrated.wait()
        while True:
            started = monotonic()
            with suppress(Unavailable, psycopg.OperationalError, OSError):
                await self.refold()
            await asyncio.sleep(max(LOOK_SECONDS, monotonic() - started))

    async def refold(self) -> None:
        """Rebuild once if an older version folded some facts. Raises DatabaseUnavailable or psycopg.OperationalError.

        A rebuild that fails is logged and tried again at the next check.
        """
        async with self._database.transaction() as connection:
            if not await is_behind(connection):
                return
        async with await self._database.connect_alone("atlas-reading") as connection:
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (REFOLD_LOCK,))
            if await cursor.fetchone() == (True,) and await is_behind(connection):
                log.info("projection.reread", reading=FOLD_VERSION)
                differences = await _rebuild()
                if differences is None:
                    log.error("projection.reread_failed", reading=FOLD_VERSION)
                else:
                    log.info("projection.reread_done", reading=FOLD_VERSION, differences=differences)


async def _rebuild() -> int | None:
    """Run a rebuild. Returns how many users and payments were repaired; None when it failed."""
    async with rebuild_process(verify_only=False) as process:
        output, _ = await process.communicate()
    lines = output.splitlines()
    return json.loads(lines[-1])["result"]["differences"] if process.returncode == 0 and lines else None
