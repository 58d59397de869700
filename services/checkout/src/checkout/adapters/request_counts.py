"""How often each user asked for something in the open window: what all replicas of the gateway count together.

The table is unlogged. So counting waits neither for the disk nor for a standby, and a crash of the database or the
promotion of its standby empties the table: windows begin anew then.
"""

from __future__ import annotations

from atlas_kit.storage.database import Database, fetch_one

ENDED_AT_ONCE = 20
"""Ended windows that are deleted whenever one begins: more than the one that is added, so the table stays small."""

_COUNT = """
INSERT INTO request_counts AS kept (user_id, limit_name, count, ends_at)
VALUES (%s, %s, 1, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (user_id, limit_name) DO UPDATE SET
    count = CASE WHEN kept.ends_at <= clock_timestamp() THEN 1 ELSE kept.count + 1 END,
    -- The earlier of the two ends: so a window that was begun with a longer setting, or before the clock was set back,
    -- holds nobody off for longer than a window is long.
    ends_at = CASE WHEN kept.ends_at <= clock_timestamp() THEN excluded.ends_at
                   ELSE least(kept.ends_at, excluded.ends_at) END
RETURNING count, extract(epoch FROM ends_at - clock_timestamp())::float8
"""
_DELETE_ENDED = """
DELETE FROM request_counts WHERE (user_id, limit_name) IN (
    SELECT user_id, limit_name FROM request_counts WHERE ends_at < clock_timestamp()
    ORDER BY ends_at LIMIT %s FOR UPDATE SKIP LOCKED
)
"""


async def count_request(database: Database, user_id: str, limit: str, seconds: int) -> tuple[int, float]:
    """Count one more; gives how many there are in the user's open window, and the seconds until it ends.

    Raises DatabaseUnavailable.
    """
    async with database.transaction() as connection:
        row = await fetch_one(connection, _COUNT, user_id, limit, seconds)
    assert row
    if row[0] == 1:
        # A transaction of its own: it never waits for a lock while it holds one, so two of them can't block each other.
        async with database.transaction() as connection:
            await connection.execute(_DELETE_ENDED.encode(), (ENDED_AT_ONCE,))
    return row[0], row[1]
