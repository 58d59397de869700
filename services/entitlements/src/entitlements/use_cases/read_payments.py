"""Answers for the checkout service: the verdict on payments, and the Stripe customers that a user's facts name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atlas_contracts.internal_api import PaymentVerdictView
from atlas_kit.storage.database import Connection
from entitlements.adapters.knowledge_json import decode_knowledge
from entitlements.domain.payment import judge
from entitlements.domain.policy import Policy

SESSION_REF = "stripe:checkout_session:"
MAX_CUSTOMERS, MAX_SESSIONS = 20, 1_000

_PAYMENTS = """
SELECT r.ref, p.provider, p.knowledge FROM payment_refs r JOIN payments p ON p.id = r.payment_id
WHERE r.ref = ANY(%s)
"""
_CUSTOMERS = """
SELECT l.customer_id FROM payments p JOIN payment_facts f ON f.payment_id = p.id JOIN ledger l USING (seq)
WHERE (p.user_id = %(user)s OR p.also_users @> ARRAY[%(user)s]) AND p.provider = 'stripe' AND l.customer_id IS NOT NULL
  AND l.type <> 'purchase_initiated'
GROUP BY l.customer_id ORDER BY max(l.occurred_at) DESC, l.customer_id LIMIT %(most)s
"""
_SESSIONS = """
SELECT r.ref FROM payments p JOIN payment_refs r ON r.payment_id = p.id
WHERE (p.user_id = %(user)s OR p.also_users @> ARRAY[%(user)s]) AND starts_with(r.ref, %(prefix)s) LIMIT %(most)s
"""


async def verdicts_on(connection: Connection, session_ids: Sequence[str], policy: Policy) -> list[PaymentVerdictView]:
    """The policy's verdict on each session's payment; sessions without any fact in the ledger are left out."""
    cursor = await connection.execute(_PAYMENTS, ([SESSION_REF + session_id for session_id in session_ids],))
    return [_view(*row, policy=policy) async for row in cursor]


async def customers_of(connection: Connection, user_id: str) -> list[str]:
    """Ids of the Stripe customers that facts of the user's payments name, newest first, at most MAX_CUSTOMERS.

    ``purchase_initiated`` is left out: a session that was only opened proves no purchase.
    """
    cursor = await connection.execute(_CUSTOMERS, {"user": user_id, "most": MAX_CUSTOMERS})
    return [row[0] for row in await cursor.fetchall()]


async def session_ids_of(connection: Connection, user_id: str) -> list[str]:
    """Ids of the checkout sessions of the user's payments, and of payments that name this user beside another."""
    asked = {"user": user_id, "prefix": SESSION_REF, "most": MAX_SESSIONS}
    cursor = await connection.execute(_SESSIONS, asked)
    return [row[0].removeprefix(SESSION_REF) for row in await cursor.fetchall()]


def _view(ref: str, provider: str, stored: list[Any], *, policy: Policy) -> PaymentVerdictView:
    verdict = judge(decode_knowledge(stored), provider, policy)
    return PaymentVerdictView(
        checkout_session_id=ref.removeprefix(SESSION_REF),
        grants=verdict.grants,
        because=verdict.because,
        needs_review=verdict.review is not None,
    )
