"""What the web app's tables hold, user by user, streamed from the server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.sql import SQL, Composed, Identifier

from atlas_operator.predecessor.connection import Predecessor

PAYLOAD_CHARACTERS = 20_000
"""Of a ledger row's payload, in which ids are looked for."""
BATCH = 200
"""Users per round trip."""

_EVERYTHING = SQL("""
WITH named AS (
    SELECT "userId" AS id FROM {pro} UNION SELECT "userId" FROM {projection} UNION SELECT "userId" FROM {ledger}
    UNION SELECT id FROM {users} WHERE %(everybody)s
), pro AS (
    SELECT "userId", json_build_object(
        'status', status::text, 'source', source::text, 'restoredAt', "restoredAt", 'createdAt', "createdAt",
        'updatedAt', "updatedAt") AS told FROM {pro}
), projections AS (
    SELECT "userId", json_agg(json_build_object(
        'productKey', "productKey", 'status', status::text, 'provider', provider::text,
        'customer', "providerCustomerId", 'activeFrom', "activeFrom", 'activeUntil', "activeUntil",
        'createdAt', "createdAt", 'updatedAt', "updatedAt") ORDER BY "productKey") AS told
    FROM {projection} GROUP BY "userId"
), events AS (
    SELECT "userId", json_agg(json_build_object(
        'id', id, 'provider', provider::text, 'type', "eventType"::text, 'providerEventId', "providerEventId",
        'transaction', "providerTransactionId", 'productKey', "productKey", 'kind', jsonb_typeof(payload),
        'customer', payload ->> 'providerCustomerId',
        'payload', left(payload::text, %(characters)s)) ORDER BY "occurredAt", id) AS told
    FROM {ledger} WHERE provider::text NOT IN ('manual', 'ios_iap', 'android_iap') GROUP BY "userId"
)
SELECT n.id, u.id IS NOT NULL, u."deletedAt" IS NOT NULL, p.told, j.told, e.told
FROM named n LEFT JOIN {users} u ON u.id = n.id LEFT JOIN pro p ON p."userId" = n.id
    LEFT JOIN projections j ON j."userId" = n.id LEFT JOIN events e ON e."userId" = n.id
WHERE n.id IS NOT NULL ORDER BY n.id
""")
_NOBODYS = SQL('SELECT id, "eventType"::text FROM {ledger} WHERE "userId" IS NULL ORDER BY id')
_COUNT = SQL("""
SELECT now(), (SELECT count(*) FROM (
    SELECT "userId" AS id FROM {pro} UNION SELECT "userId" FROM {projection} UNION SELECT "userId" FROM {ledger}
    UNION SELECT id FROM {users} WHERE %(everybody)s) AS named WHERE id IS NOT NULL)
""")

State = Literal["there", "deleted", "missing"]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """One user of the web app, with all that it says of their Pro. Times are text, as the database wrote them."""

    id: str
    state: State
    """``deleted``: softly, the row is still there. ``missing``: no row in "User"."""
    pro: Row | None
    """The row of "ProEntitlement"."""
    projections: list[Row]
    """Rows of "BillingEntitlementProjection", one for each product."""
    events: list[Row]
    """Rows of "BillingEventLedger" that are not a store's or an operator's, in the order of time."""


def moment_and_count(old: Predecessor, *, everybody: bool) -> tuple[datetime, int]:
    """The database's time, and how many users :func:`people` will give."""
    row = old.connection.execute(_query(_COUNT, old.schema), {"everybody": everybody}).fetchone()
    assert row
    return row[0], row[1]


def people(old: Predecessor, *, everybody: bool) -> Iterator[list[Person]]:
    """Users in batches, by id: those of whom the three tables say something, or really everybody."""
    given = {"everybody": everybody, "characters": PAYLOAD_CHARACTERS}
    with old.connection.cursor("atlas_people") as cursor:
        cursor.itersize = BATCH
        cursor.execute(_query(_EVERYTHING, old.schema), given)
        while batch := list(itertools.islice(cursor, BATCH)):
            yield [_person(*row) for row in batch]


def nobodys(old: Predecessor) -> Iterator[tuple[str, str]]:
    """Rows of the ledger whose user is gone: id and type."""
    with old.connection.cursor("atlas_nobodys") as cursor:
        cursor.execute(_query(_NOBODYS, old.schema))
        yield from ((str(row[0]), str(row[1])) for row in cursor)


def _person(user_id: str, exists: bool, deleted: bool, pro: Row | None, projections: Any, events: Any) -> Person:
    state: State = "deleted" if deleted else "there" if exists else "missing"
    return Person(user_id, state, pro, projections or [], events or [])


def _query(query: SQL, schema: str) -> Composed:
    return query.format(
        users=Identifier(schema, "User"),
        pro=Identifier(schema, "ProEntitlement"),
        projection=Identifier(schema, "BillingEntitlementProjection"),
        ledger=Identifier(schema, "BillingEventLedger"),
    )
