"""Revokes that need two people: one asks, another approves, and only then is the revoke published.

An approval is written down before the fact is published under the row's id as idempotency key, and the row counts as
waiting until the ledger has that fact. So whatever is interrupted in between is finished by approving again, two
approvals at once make one fact, and who is named in it is who approved first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.errors import CheckViolation

from atlas_contracts.public_api import Recovery
from atlas_contracts.support import WAITING_PREFIX, RevokeWanted, WaitingRevoke
from atlas_kit.http.errors import Forbidden, InvalidRequest, NotFound
from atlas_kit.storage.database import Connection

MOST = 500
_COLUMNS = "id, user_id, payment_id, reason, ticket, requested_by, requested_at, approved_by"
_OPEN = f"""
withdrawn_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM ledger WHERE provider = 'manual' AND provider_event_id = '{WAITING_PREFIX}' || waiting_revokes.id)
"""  # noqa: S608 - a constant of ours
_ASK = f"""
INSERT INTO waiting_revokes (id, user_id, payment_id, reason, ticket, requested_by)
VALUES (%(id)s, %(user_id)s, %(payment_id)s, %(reason)s, %(ticket)s, %(requested_by)s)
ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608 - names of our own columns
_SAME = f"""
SELECT {_COLUMNS} FROM waiting_revokes
WHERE {_OPEN} AND user_id = %(user_id)s AND payment_id IS NOT DISTINCT FROM %(payment_id)s
ORDER BY id = %(id)s DESC LIMIT 1
"""  # noqa: S608 - as above
_LIST = f"""
SELECT {_COLUMNS} FROM waiting_revokes WHERE {_OPEN} AND (%(user)s::text IS NULL OR user_id = %(user)s)
ORDER BY requested_at, id LIMIT {MOST}
"""  # noqa: S608 - as above
_FIND = f"SELECT {_COLUMNS}, {_OPEN} FROM waiting_revokes WHERE id = %s FOR UPDATE"  # noqa: S608 - as above
_APPROVE = f"""
UPDATE waiting_revokes SET approved_by = coalesce(approved_by, %(by)s), approved_at = coalesce(approved_at, now())
WHERE id = %(id)s RETURNING {_COLUMNS}
"""  # noqa: S608 - as above


class Settled(InvalidRequest):
    """The revoke was done or withdrawn before."""

    status = 409
    default_message = "This revoke was done or withdrawn before; nothing was changed."
    default_recovery = Recovery.NONE


class OwnRequest(Forbidden):
    """Whoever asks for a revoke can't approve it."""

    default_message = "You asked for this revoke yourself: another approver has to approve it."


class OnItsWay(Settled):
    """The revoke was approved, and may be in the ledger at any moment."""

    default_message = "This revoke was approved and is under way; it can't be withdrawn any more."


async def ask_for_revoke(connection: Connection, wanted: RevokeWanted) -> WaitingRevoke:
    """Write the revoke down. One that waits already for the same user and payment is answered in its place.

    Raises Settled where this id was used before, and is done or withdrawn or about something else.
    """
    given = wanted.model_dump()
    cursor = await connection.execute(_ASK.encode(), given)
    row = await cursor.fetchone()
    if row is None:
        cursor = await connection.execute(_SAME.encode(), given)
        row = await cursor.fetchone()
    if row is None:
        raise Settled
    return _told(row)


async def waiting_revokes(connection: Connection, user_id: str | None) -> list[WaitingRevoke]:
    """Everything that waits (or only for this user), oldest first."""
    cursor = await connection.execute(_LIST.encode(), {"user": user_id})
    return [_told(row) for row in await cursor.fetchall()]


async def approve_revoke(connection: Connection, waiting_id: str, by: str) -> WaitingRevoke:
    """The revoke, to be published now. Raises NotFound, Settled, or OwnRequest for who asked for it."""
    found = await _open(connection, waiting_id)
    if _same_person(found.requested_by, by):
        raise OwnRequest
    try:
        cursor = await connection.execute(_APPROVE.encode(), {"id": waiting_id, "by": by})
    except CheckViolation:  # the database compares letters by its own rules
        raise OwnRequest from None
    row = await cursor.fetchone()
    assert row is not None, "the row is locked by this transaction"
    return _told(row)


async def withdraw_revoke(connection: Connection, waiting_id: str, by: str) -> WaitingRevoke:
    """Take the request back; anybody who may ask for one may. Raises NotFound, Settled or OnItsWay."""
    found = await _open(connection, waiting_id)
    if found.approved_by is not None:
        raise OnItsWay
    await connection.execute(
        "UPDATE waiting_revokes SET withdrawn_by = %s, withdrawn_at = now() WHERE id = %s", (by, waiting_id)
    )
    return found


async def _open(connection: Connection, waiting_id: str) -> WaitingRevoke:
    cursor = await connection.execute(_FIND.encode(), (waiting_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound
    if not row[-1]:
        raise Settled
    return _told(row[:-1])


def _same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _told(row: Sequence[Any]) -> WaitingRevoke:
    names = [name.strip() for name in _COLUMNS.split(",")]
    return WaitingRevoke(**dict(zip(names, row, strict=True)))
