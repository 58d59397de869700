"""Checkout attempts in the database: at most one per user is live (creating, open or pending), by a unique index.

No lock is held while Stripe is asked. An attempt's id makes the idempotency key, so replicas that work on the same
attempt at once get the same session, and one of them records it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from psycopg.types.json import Jsonb

from atlas_contracts.billing import Offer
from atlas_kit.messaging import outbox
from atlas_kit.messaging.outbox import OutboxMessage
from atlas_kit.storage.database import Database, fetch_one
from atlas_stripe.session_ownership import Record, recorded_offers
from checkout.domain.offers import read_back, written


class AttemptState(StrEnum):
    """creating → open → (pending →) complete or expired. failed: no session was made, or Stripe no longer has it."""

    CREATING = "creating"
    OPEN = "open"
    PENDING = "pending"
    COMPLETE = "complete"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a user to buy. Every retry sends the same ``parameters`` to Stripe, as idempotency requires."""

    id: UUID
    user_id: str
    customer_id: str
    price_id: str
    source: str
    state: AttemptState
    parameters: Mapping[str, Any]
    expires_at: datetime
    checkout_session_id: str | None = None
    offers: tuple[Offer, ...] | None = None
    """What the price asked in each currency; None for an older attempt, of which that wasn't kept."""

    @property
    def idempotency_key(self) -> str:
        return f"atlas-checkout-{self.id}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A complete session that another app made, as it is recorded."""

    session_id: str
    user_id: str
    customer_id: str
    """Empty where it has none."""
    amount: int
    currency: str
    offers: tuple[Offer, ...]
    created_at: datetime


IMPORTED = "import"
"""The source of what is recorded so, and the name of its price, which nobody knows."""
_LIVE = "state IN ('creating', 'open', 'pending')"
_COLUMNS = "id, user_id, customer_id, price_id, source, state, parameters, expires_at, checkout_session_id, offers"


async def live_attempt(database: Database, user_id: str) -> Attempt | None:
    async with database.transaction() as connection:
        row = await fetch_one(
            connection,
            f"SELECT {_COLUMNS} FROM checkout_attempts WHERE user_id = %s AND {_LIVE}",  # noqa: S608 - constants
            user_id,
        )
    return _attempt(row) if row else None


async def begin_attempt(database: Database, attempt: Attempt) -> None:
    """Insert a new attempt unless the user has a live one by now."""
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO checkout_attempts"
            " (id, user_id, customer_id, price_id, source, state, parameters, expires_at, offers)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                attempt.id,
                attempt.user_id,
                attempt.customer_id,
                attempt.price_id,
                attempt.source,
                attempt.state,
                Jsonb(attempt.parameters),
                attempt.expires_at,
                None if attempt.offers is None else Jsonb(written(attempt.offers)),
            ),
        )


async def record_session(
    database: Database, attempt: Attempt, session_id: str, amount: int, currency: str, messages: Sequence[OutboxMessage]
) -> bool:
    """Creating → open, and the events about it into the outbox, in one transaction. False where another replica has
    changed the attempt before.
    """
    async with database.transaction() as connection:
        row = await fetch_one(
            connection,
            "UPDATE checkout_attempts SET state = 'open', checkout_session_id = %s, amount = %s, currency = %s,"
            " updated_at = now() WHERE id = %s AND state = 'creating' RETURNING id",
            session_id,
            amount,
            currency,
            attempt.id,
        )
        if row:
            await outbox.enqueue(connection, messages)
    return row is not None


async def move(database: Database, attempt: Attempt, to: AttemptState) -> None:
    """Change the state, unless another replica has changed it in the meantime."""
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE checkout_attempts SET state = %s, updated_at = now() WHERE id = %s AND state = %s",
            (to, attempt.id, attempt.state),
        )


async def owner_of_session(database: Database, session_id: str) -> str | None:
    """The user a recorded session was made for."""
    return (await owners_of_sessions(database, [session_id])).get(session_id)


async def owners_of_sessions(database: Database, session_ids: Sequence[str]) -> dict[str, str]:
    """The user for whom each of these sessions was made, by session id; sessions that we did not make are left out."""
    async with database.transaction() as connection:
        cursor = await connection.execute(
            "SELECT checkout_session_id, user_id FROM checkout_attempts WHERE checkout_session_id = ANY(%s)",
            (list(session_ids),),
        )
        return dict(await cursor.fetchall())


async def record_of_session(database: Database, session_id: str) -> Record | None:
    """What we asked Stripe for when we made the session; None when we didn't make it."""
    return (await records_of_sessions(database, [session_id])).get(session_id)


async def records_of_sessions(database: Database, session_ids: Sequence[str]) -> dict[str, Record]:
    """What we asked Stripe for when we made these sessions, as far as we made them."""
    async with database.transaction() as connection:
        cursor = await connection.execute(
            "SELECT checkout_session_id, user_id, amount, currency, offers FROM checkout_attempts"
            " WHERE checkout_session_id = ANY(%s)",
            (list(session_ids),),
        )
        return {
            session_id: Record(user_id, recorded_offers(amount, currency, read_back(offers) or ()))
            for session_id, user_id, amount, currency, offers in await cursor.fetchall()
        }


async def record_imported(database: Database, rows: Sequence[Imported]) -> None:
    """Record sessions that another app made, as attempts that are complete. What is recorded already stays as it is."""
    async with database.transaction() as connection:
        for row in rows:
            await connection.execute(
                "INSERT INTO checkout_attempts (id, user_id, customer_id, price_id, source, state, parameters,"
                " checkout_session_id, amount, currency, offers, expires_at, created_at)"
                " VALUES (%s, %s, %s, %s, %s, 'complete', '{}', %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (
                    uuid5(NAMESPACE_URL, row.session_id),
                    row.user_id,
                    row.customer_id,
                    IMPORTED,
                    IMPORTED,
                    row.session_id,
                    row.amount,
                    row.currency,
                    Jsonb(written(row.offers)),
                    row.created_at,
                    row.created_at,
                ),
            )


async def imported_sessions(database: Database, session_ids: Sequence[str]) -> set[str]:
    """Those of these sessions that were recorded because another app claimed them."""
    async with database.transaction() as connection:
        cursor = await connection.execute(
            "SELECT checkout_session_id FROM checkout_attempts WHERE checkout_session_id = ANY(%s) AND source = %s",
            (list(session_ids), IMPORTED),
        )
        return {row[0] for row in await cursor.fetchall()}


async def recorded_sessions(database: Database, user_id: str, limit: int) -> list[str]:
    """The user's sessions that may hold money, newest first."""
    async with database.transaction() as connection:
        cursor = await connection.execute(
            "SELECT checkout_session_id FROM checkout_attempts"
            " WHERE user_id = %s AND checkout_session_id IS NOT NULL AND state <> 'expired'"
            " ORDER BY created_at DESC LIMIT %s",
            (user_id, limit),
        )
        return [row[0] for row in await cursor.fetchall()]


async def all_sessions(database: Database, user_id: str) -> list[str]:
    """Every session ever recorded for the user."""
    async with database.transaction() as connection:
        cursor = await connection.execute(
            "SELECT checkout_session_id FROM checkout_attempts WHERE user_id = %s AND checkout_session_id IS NOT NULL",
            (user_id,),
        )
        return [row[0] for row in await cursor.fetchall()]


async def erase(database: Database, user_id: str) -> int:
    """Delete the user's rows in this database, and events about the user that are not published yet.

    Returns how many rows of attempts and customers there were.
    """
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM outbox WHERE payload::jsonb ->> 'subject' = %s", (user_id,))
        made = await connection.execute("DELETE FROM checkout_attempts WHERE user_id = %s", (user_id,))
        known = await connection.execute("DELETE FROM customers WHERE user_id = %s", (user_id,))
        await connection.execute("DELETE FROM backfill_refusals WHERE user_id = %s", (user_id,))
        await connection.execute("DELETE FROM request_counts WHERE user_id = %s", (user_id,))
        return made.rowcount + known.rowcount


def _attempt(row: Sequence[Any]) -> Attempt:
    return Attempt(
        id=row[0],
        user_id=row[1],
        customer_id=row[2],
        price_id=row[3],
        source=row[4],
        state=AttemptState(row[5]),
        parameters=row[6],
        expires_at=row[7],
        checkout_session_id=row[8],
        offers=read_back(row[9]),
    )
