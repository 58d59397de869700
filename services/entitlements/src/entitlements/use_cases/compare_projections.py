"""Compares the live projection with one that was computed anew from the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from psycopg.types.json import set_json_loads
from pydantic_core import from_json

from atlas_kit.storage.database import Connection
from entitlements.adapters.knowledge_json import knowledge_rows
from entitlements.domain.projection import Payment, Projection
from entitlements.domain.verdict import NOTHING_KNOWN, Verdict

READ_CHUNK = 2_000

_PAYMENTS = "SELECT id, provider, user_id, knowledge, also_users, review FROM payments"
_REFS = "SELECT ref, payment_id FROM payment_refs"
_FACTS = "SELECT seq, payment_id FROM payment_facts"
_ENTITLEMENTS = "SELECT user_id, is_pro, status, source, active_from, active_until FROM entitlements"
_verdict_columns = attrgetter(*(column.name for column in fields(Verdict)))


@dataclass(slots=True)
class Differences:
    """What is wrong in the live projection; ``facts`` is the number of facts that were compared."""

    facts: int = 0
    users: list[str] = field(default_factory=list)
    payments: list[int] = field(default_factory=list)
    """Ids of payments whose knowledge, owner, names or facts differ, or that only one side has."""

    @property
    def count(self) -> int:
        return len(self.users) + len(self.payments)


async def compare(connection: Connection, fresh: Projection) -> Differences:
    """Compare every row of the live projection with ``fresh``. Both must come from the same database snapshot."""
    facts = {seq: fresh.surviving(payment_id) for seq, payment_id in fresh.payment_of_fact.items()}
    payments = await _payments(connection, fresh.payments)
    payments |= await _ties(connection, _REFS, fresh.payment_of_ref)
    payments |= await _ties(connection, _FACTS, facts)
    return Differences(len(facts), sorted(await _users(connection, fresh)), sorted(payments))


async def _payments(connection: Connection, expected: Mapping[int, Payment]) -> set[int]:
    """Ids of payments whose own row differs, or that exist on one side only."""
    unseen, different = set(expected), set()
    async for payment_id, *live in _rows(connection, _PAYMENTS):
        unseen.discard(payment_id)
        payment = expected.get(payment_id)
        if payment is None or live != _columns(payment):
            different.add(payment_id)
    return different | unseen


def _columns(payment: Payment) -> list[Any]:
    also = sorted(payment.also) or None
    return [payment.provider, payment.user_id, knowledge_rows(payment.knowledge), also, payment.review]


async def _ties(connection: Connection, query: str, expected: Mapping[Any, int]) -> set[int]:
    """Ids of payments to which a ref or fact is wrongly assigned, or from which one is missing."""
    unseen, different = set(expected), set()
    async for tied, payment_id in _rows(connection, query):
        unseen.discard(tied)
        right = expected.get(tied)
        if right != payment_id:
            different |= {payment_id} if right is None else {payment_id, right}
    return different | {expected[tied] for tied in unseen}


async def _users(connection: Connection, fresh: Projection) -> set[str]:
    """Users whose verdict differs. A row that says "nothing known" equals no row."""
    unseen, different = set(fresh.entitlements), set()
    async for user_id, *live in _rows(connection, _ENTITLEMENTS):
        unseen.discard(user_id)
        row = fresh.entitlements.get(user_id)
        if tuple(live) != _verdict_columns(row.verdict if row else NOTHING_KNOWN):
            different.add(user_id)
    return different | {user_id for user_id in unseen if fresh.entitlements[user_id].verdict != NOTHING_KNOWN}


async def _rows(connection: Connection, query: str) -> AsyncIterator[tuple[Any, ...]]:
    async with connection.cursor("live_projection") as cursor:
        set_json_loads(from_json, cursor)  # twice as fast as the standard library's
        await cursor.execute(query.encode())
        while rows := await cursor.fetchmany(READ_CHUNK):
            for row in rows:
                yield row
