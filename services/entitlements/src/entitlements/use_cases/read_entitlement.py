"""Reading what a user is entitled to, and the state of their newest unfinished payment.

Questions that arrive together are answered by one query, so the number of queries doesn't grow with the load. A query
begins after every question that it answers was asked, so each answer has all that was folded before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass

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
"""Users in one query, unless one question asks for more."""
STATEMENT_CONNECTIONS = 2
"""Connections for reads: users' own reads share one, other services' reads of many have another."""


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


Found = Mapping[str, Entitlement]
"""By user id."""


@dataclass(frozen=True, slots=True)
class _Question:
    users: Collection[str]
    answer: asyncio.Future[Found]


class EntitlementReader:
    """Answers questions about users; those that wait at the same time share one query."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Question] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def read(self, user_id: str) -> Entitlement:
        """The user's entitlement; version 0 and status none when nothing is known. Raises DatabaseUnavailable."""
        return (await self.read_together((user_id,)))[user_id]

    async def read_together(self, user_ids: Collection[str]) -> Found:
        """The same for several users, by a query that other questions may share."""
        question = _Question(user_ids, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        if self._worker is None or self._worker.done():
            # In a context of its own: it answers many requests, and is no part of the one that began it.
            self._worker = asyncio.create_task(self._answer_all(), context=Context())
        with transaction("entitlements"):
            return await question.answer

    async def read_many(self, user_ids: Collection[str]) -> dict[str, Entitlement]:
        """The same by a query of their own, which may take longer than what single users can wait for."""
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
            questions = [self._waiting.popleft()]
            users = set(questions[0].users)
            while self._waiting and len(users) + len(self._waiting[0].users) <= MAX_BATCH:
                questions.append(self._waiting.popleft())
                users.update(questions[-1].users)
            await self._answer(questions, users)

    async def _answer(self, questions: Sequence[_Question], users: Collection[str]) -> None:
        try:
            known = await self._known(users)
        except Exception as error:  # noqa: BLE001 - every waiting request gets it
            for question in questions:
                if not question.answer.done():  # its request was cancelled
                    question.answer.set_exception(error)
            return
        for question in questions:
            if not question.answer.done():
                question.answer.set_result({user: known.get(user) or Entitlement(user) for user in question.users})


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
