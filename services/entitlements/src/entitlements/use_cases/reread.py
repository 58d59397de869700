"""After an upgrade: what older replicas folded with less understanding is folded again, without anybody's help.

Older replicas may run beside newer ones for a while. Every row of the ledger says by which reading it was folded; as
long as there are rows of an older reading than ours behind the last rebuild, the projection is rebuilt from the ledger.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from time import monotonic

import psycopg

from atlas_kit.http.errors import Unavailable
from atlas_kit.process.logs import get_logger
from atlas_kit.storage.database import Connection, Database
from entitlements.domain.reading import READING

log = get_logger()

LOOK_SECONDS = 5.0
"""How often to look. After a rebuild at least as long as it took, however much older replicas go on folding."""
REREAD_LOCK = 5_210_718
"""Advisory lock of the one replica that rebuilds."""

_BEHIND = """
SELECT p.reading, p.until, coalesce((SELECT max(seq) FROM ledger), 0),
       EXISTS (SELECT 1 FROM ledger WHERE seq > p.until AND read_by < %(ours)s)
FROM projection_reading p
"""


async def mark(connection: Connection, until: int) -> None:
    """Note that up to fact ``until`` the projection is what our reading makes of the ledger."""
    await connection.execute("UPDATE projection_reading SET reading = %s, until = %s", (READING, until))


async def behind(connection: Connection) -> bool:
    """Whether an older reading than ours made some of the projection. Where none did, that is noted."""
    cursor = await connection.execute(_BEHIND, {"ours": READING})
    row = await cursor.fetchone()
    assert row
    reading, until, last, folded_by_older = row
    if reading > READING:
        return False  # ours is the older one
    if reading < READING or folded_by_older:
        return True
    if last > until:
        await mark(connection, last)
    return False


class Rereading:
    """Background loop of every replica; the one that gets the lock works."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        await self._database.migrated.wait()
        while True:
            started = monotonic()
            with suppress(Unavailable, psycopg.OperationalError, OSError):
                await self.read_again()
            await asyncio.sleep(max(LOOK_SECONDS, monotonic() - started))

    async def read_again(self) -> None:
        """Rebuild where an older reading is in the projection. Raises when the database doesn't answer."""
        async with self._database.transaction() as connection:
            if not await behind(connection):
                return
        async with await self._database.connect_alone("atlas-reading") as connection:
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (REREAD_LOCK,))
            if await cursor.fetchone() == (True,) and await behind(connection):
                log.info("projection.reread", reading=READING)
                differences = await _rebuild()
                if differences is None:
                    log.error("projection.reread_failed", reading=READING)
                else:
                    log.info("projection.reread_done", reading=READING, differences=differences)


async def _rebuild() -> int | None:
    """In a process of its own: folding everything must not slow down the reads. None when it failed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "entitlements", "rebuild", stdout=asyncio.subprocess.PIPE
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = output.splitlines()
    return json.loads(lines[-1])["result"]["differences"] if process.returncode == 0 and lines else None
