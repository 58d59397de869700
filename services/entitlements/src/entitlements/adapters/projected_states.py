"""The projection's users page by page, and what writing their states again needs of the database."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from atlas_contracts.user_id import FORGOTTEN
from atlas_kit.storage.database import Connection, fetch_one
from entitlements.adapters.projection_store import load_entitlements
from entitlements.domain.projection import Entitlement

PAGE = 200
REPUBLISH_LOCK = 5_210_719
"""Key of the advisory lock that is held while the states are republished: one at a time."""

# A forgotten user's row goes on under an alias, which nobody may ask for.
_STATES = f"version > 0 AND NOT starts_with(user_id, '{FORGOTTEN}')"
_PAGE = f"SELECT user_id FROM entitlements WHERE {_STATES} AND user_id > %s ORDER BY user_id LIMIT %s"  # noqa: S608 - our own words
_COUNT = f"SELECT count(*) FROM entitlements WHERE {_STATES}"  # noqa: S608 - our own words
_SAMPLE = f"SELECT user_id FROM entitlements TABLESAMPLE BERNOULLI (%s) WHERE {_STATES} LIMIT %s"  # noqa: S608 - our own words


async def count_states(connection: Connection) -> int:
    """How many users have a state."""
    row = await fetch_one(connection, _COUNT)
    return int(row[0]) if row else 0


async def users_after(connection: Connection, after: str, limit: int = PAGE) -> list[str]:
    """The page of users after this one."""
    cursor = await connection.execute(_PAGE.encode(), (after, limit))
    return [row[0] for row in await cursor.fetchall()]


async def sampled_users(connection: Connection, percent: float, limit: int) -> list[str]:
    """Users by chance."""
    cursor = await connection.execute(_SAMPLE.encode(), (percent, limit))
    return [row[0] for row in await cursor.fetchall()]


async def states_of(connection: Connection, users: Collection[str]) -> list[Entitlement]:
    """The rows of those users who have a state."""
    rows = await load_entitlements(connection, users)
    return [row for row in rows if row.version and not row.user_id.startswith(FORGOTTEN)]


async def next_row(connection: Connection) -> int:
    """An id as the next outbox row would have it; the caller holds the fold's lock.

    Every change in the projection has a row with a smaller id, and every later change will have a greater one.
    """
    message_id = f"state:{secrets.token_hex(16)}"
    row = await fetch_one(
        connection, "INSERT INTO outbox (message_id, subject, payload) VALUES (%s, '', '{}') RETURNING id", message_id
    )
    assert row
    await connection.execute("DELETE FROM outbox WHERE id = %s", (row[0],))
    return int(row[0])


async def waiting_in_outbox(connection: Connection, message_ids: Collection[str]) -> set[str]:
    """Those of the events that the relay has still to publish."""
    cursor = await connection.execute("SELECT message_id FROM outbox WHERE message_id = ANY(%s)", (list(message_ids),))
    return {row[0] for row in await cursor.fetchall()}


async def take_lock(connection: Connection) -> bool:
    """Whether this connection may republish; the lock is held until the connection is closed."""
    return await fetch_one(connection, "SELECT pg_try_advisory_lock(%s)", REPUBLISH_LOCK) == (True,)


async def filled_bucket(connection: Connection) -> str | None:
    """The bucket that was filled from this projection, as :func:`mark_filled` recorded it."""
    row = await fetch_one(connection, "SELECT bucket_filled FROM projection_reading")
    return row[0] if row else None


async def mark_filled(connection: Connection, bucket: str) -> None:
    """Record that ``bucket`` (when the broker made it) has the state of every user."""
    await connection.execute("UPDATE projection_reading SET bucket_filled = %s", (bucket,))
