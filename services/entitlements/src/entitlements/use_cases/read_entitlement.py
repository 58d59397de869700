"""Reading what a user is entitled to, and the state of their newest unfinished payment.

Reads that arrive together are answered by one query, so the number of queries doesn't grow with the load.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextvars import Context

from atlas_contracts.internal_api import EntitlementOverview, EntitlementView
from atlas_contracts.public_api import PaymentState
from atlas_contracts.read_api import EntitlementRecord
from atlas_kit.storage.database import Connection, ConnectionLost, Database
from atlas_kit.tracing.work import transaction
from entitlements.adapters.knowledge_json import decode_knowledge
from entitlements.adapters.projection_store import load_entitlements
from entitlements.domain.payment import PaymentVerdict, judge
from entitlements.domain.policy import Policy
from entitlements.domain.projection import Entitlement

MAX_BATCH = 500
STATEMENT_CONNECTIONS = 2
"""Connections for reads: single users' reads share one, other services' reads of many have another."""


def view(entitlement: Entitlement) -> EntitlementView:
    """The row as other services see it."""
    verdict = entitlement.verdict
    return EntitlementView(
        user_id=entitlement.user_id,
        is_pro=verdict.is_pro,
        status=verdict.status,
        source=verdict.source,
        active_from=verdict.active_from,
        active_until=verdict.active_until,
        version=entitlement.version,
        reason=entitlement.reason if entitlement.version else None,
        updated_at=entitlement.updated_at,
        request_id=entitlement.request_id,
    )


def record(entitlement: Entitlement) -> EntitlementRecord:
    """The row as admitted services see it."""
    return EntitlementRecord.model_validate(view(entitlement), from_attributes=True)


class EntitlementReader:
    """Answers reads of single users; reads that wait at the same time share one query."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, list[asyncio.Future[Entitlement]]] = {}
        self._worker: asyncio.Task[None] | None = None

    async def read(self, user_id: str) -> Entitlement:
        """The user's entitlement; version 0 and status none when nothing is known. Raises DatabaseUnavailable."""
        future: asyncio.Future[Entitlement] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user_id, []).append(future)
        if self._worker is None or self._worker.done():
            # In a context of its own: it answers many requests, and is no part of the one that began it.
            self._worker = asyncio.create_task(self._answer_all(), context=Context())
        with transaction("entitlements"):
            return await future

    async def read_many(self, user_ids: Collection[str]) -> dict[str, Entitlement]:
        """Each user's entitlement by one query, none where nothing is known. Raises DatabaseUnavailable."""
        known = await self._known(set(user_ids))
        return {user_id: known.get(user_id) or Entitlement(user_id) for user_id in user_ids}

    async def _known(self, user_ids: Collection[str]) -> dict[str, Entitlement]:
        """Those of whom something is known. Where a connection was found dead, the question is asked once more: a
        database that was restarted or replaced meanwhile fails no read.
        """
        try:
            return await self._ask(user_ids)
        except ConnectionLost:
            return await self._ask(user_ids)

    async def _ask(self, user_ids: Collection[str]) -> dict[str, Entitlement]:
        async with self._database.statement() as connection:
            return {row.user_id: row for row in await load_entitlements(connection, user_ids)}

    async def _answer_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            users = list(batch)
            for start in range(0, len(users), MAX_BATCH):
                await self._answer({user: batch[user] for user in users[start : start + MAX_BATCH]})

    async def _answer(self, batch: dict[str, list[asyncio.Future[Entitlement]]]) -> None:
        try:
            known = await self._known(batch)
        except Exception as error:  # noqa: BLE001 - every waiting request gets it
            for future in (f for futures in batch.values() for f in futures if not f.done()):
                future.set_exception(error)
            return
        for user_id, futures in batch.items():
            for future in futures:
                if not future.done():
                    future.set_result(known.get(user_id) or Entitlement(user_id))


async def overview(connection: Connection, user_id: str, policy: Policy) -> EntitlementOverview:
    """The entitlement, and the newest payment when it is processing or has failed."""
    found = await load_entitlements(connection, [user_id])
    entitlement = found[0] if found else Entitlement(user_id)
    return EntitlementOverview(
        entitlement=view(entitlement),
        payment=unfinished_payment(user_id, await _judged_payments(connection, user_id, policy)),
    )


def unfinished_payment(user_id: str, verdicts: Sequence[PaymentVerdict]) -> PaymentState | None:
    """The payment that the user should be told about, if any.

    First a payment that is paid and may not grant, however old, because the user's money is in it. Else the newest one
    that is processing or failed, unless the user has paid since.
    """
    reviews = [verdict.review for verdict in verdicts if verdict.review and user_id in verdict.review.users]
    if reviews:
        return PaymentState(state="needs_review", since=max(review.since for review in reviews))
    paid = [verdict.intervals[-1].start for verdict in verdicts if verdict.intervals]
    unfinished = [verdict.unfinished for verdict in verdicts if verdict.unfinished]
    newest = max(unfinished, key=lambda payment: payment.since, default=None)
    if newest is None or any(start >= newest.since for start in paid):
        return None
    return PaymentState(state=newest.state, since=newest.since)


async def _judged_payments(connection: Connection, user_id: str, policy: Policy) -> list[PaymentVerdict]:
    cursor = await connection.execute(
        "SELECT provider, knowledge FROM payments"
        " WHERE (user_id = %(user)s OR also_users @> ARRAY[%(user)s]) AND provider <> 'manual'",
        {"user": user_id},
    )
    return [judge(decode_knowledge(knowledge), provider, policy) async for provider, knowledge in cursor]
