"""How far the backfill has come, which sessions it refused, and the lease of whoever runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import psycopg

from atlas_kit.http.errors import InvalidRequest
from atlas_kit.storage.database import Connection, Database, DatabaseUnavailable, fetch_one

LEASE_KEY = 5_210_733
"""Advisory lock of whoever backfills; the server gives it back when that process is gone."""
LEASE_TRIES, LEASE_PAUSE_SECONDS = 10, 0.5
"""A run whose caller went away notices that within two seconds: its lease is waited for that long, and some more."""
RESUMED_WITHIN_HOURS = 24
"""What an older run has read may have changed since; a call after that begins anew."""


class BackfillBusy(InvalidRequest):
    """Two at once would ask Stripe twice as fast as allowed."""

    status: ClassVar[int] = 409
    default_message = "Another backfill is running. Wait until it has ended."


@dataclass(slots=True)
class Run:
    """One backfill, over as many calls as it takes. Sessions come newest first."""

    since: datetime | None
    began_at: datetime
    """When its first page, or the newest part of what came since, was read."""
    last_session_id: str | None = None
    """The last session of the last page that is done."""
    reached: datetime | None = None
    """When that session was made."""
    read: int = 0
    new: int = 0
    known: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A session that was refused, with a stable word for the reason."""

    session_id: str
    user_id: str | None
    because: str


@asynccontextmanager
async def lease(database: Database) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Be the only one; what it gives raises DatabaseUnavailable once that isn't sure any more. Raises BackfillBusy."""
    try:
        connection = await database.connect_alone("atlas-backfill")
    except psycopg.Error as error:
        raise DatabaseUnavailable from error
    try:
        await _take(connection)

        async def still_held() -> None:
            await _ask(connection, "SELECT 1")

        yield still_held
    finally:
        await connection.close()


async def _take(connection: Connection) -> None:
    for _ in range(LEASE_TRIES):
        if await _ask(connection, f"SELECT pg_try_advisory_lock({LEASE_KEY})"):
            return
        await asyncio.sleep(LEASE_PAUSE_SECONDS)
    raise BackfillBusy


async def unfinished(database: Database, since: datetime | None) -> Run | None:
    """The run that an earlier call didn't finish, where it has read the same sessions not too long ago."""
    async with database.transaction() as connection:
        row = await fetch_one(
            connection,
            "SELECT since, began_at, last_session_id, reached, read, new, known,"
            " (SELECT count(*) FROM backfill_refusals) FROM backfills"
            " WHERE since IS NOT DISTINCT FROM %s AND updated_at > now() - %s * interval '1 hour'",
            since,
            RESUMED_WITHIN_HOURS,
        )
    return Run(*row) if row else None


async def begin(database: Database, run: Run) -> None:
    """Replace whatever run there was."""
    async with database.transaction() as connection:
        await _clear(connection)
        await connection.execute(
            "INSERT INTO backfills (id, since, began_at, read, new, known) VALUES (1, %s, %s, 0, 0, 0)",
            (run.since, run.began_at),
        )


async def advance(database: Database, run: Run, refused: Sequence[Refusal]) -> None:
    """Keep how far it has come, after a page is done."""
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE backfills SET began_at = %s, last_session_id = %s, reached = %s, read = %s, new = %s, known = %s,"
            " updated_at = now()",
            (run.began_at, run.last_session_id, run.reached, run.read, run.new, run.known),
        )
        await connection.cursor().executemany(
            "INSERT INTO backfill_refusals (checkout_session_id, user_id, because) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [(one.session_id, one.user_id, one.because) for one in refused],
        )


async def finish(database: Database) -> None:
    """The next call begins anew."""
    async with database.transaction() as connection:
        await _clear(connection)


async def refusals(database: Database) -> list[Refusal]:
    """What the unfinished run refused so far."""
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT checkout_session_id, user_id, because FROM backfill_refusals")
        return [Refusal(*row) for row in await cursor.fetchall()]


async def _clear(connection: Connection) -> None:
    await connection.execute("DELETE FROM backfills")
    await connection.execute("DELETE FROM backfill_refusals")


async def _ask(connection: Connection, query: str) -> bool:
    try:
        row = await fetch_one(connection, query)
    except psycopg.Error as error:
        raise DatabaseUnavailable from error
    return bool(row and row[0])
