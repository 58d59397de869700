"""Which users have which entitlement through which payments (for audit), and which payments can still change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from atlas_contracts.model import iso_utc
from atlas_kit.storage.database import Connection
from entitlements.adapters.knowledge_json import decode_knowledge
from entitlements.domain.naming import named, payment_name
from entitlements.domain.payment import judge
from entitlements.domain.policy import Policy

CHANGEABLE_DAYS = 180
"""Days after which a payment is no longer read again at Stripe. Disputes are possible for some 120 days, refunds for as
long as the payment method allows."""

_HOLDERS = """
SELECT e.user_id, e.is_pro, e.status, e.source,
       coalesce((SELECT json_agg(json_build_array(p.provider, p.knowledge, r.refs)) FROM payments p,
                 LATERAL (SELECT array_agg(ref) AS refs FROM payment_refs WHERE payment_id = p.id) r
                 WHERE p.user_id = e.user_id OR p.also_users @> ARRAY[e.user_id]), '[]'::json)
FROM entitlements e
"""
_EVERYBODY = f"{_HOLDERS} WHERE %(user)s::text IS NULL OR e.user_id = %(user)s ORDER BY e.user_id"
_NAMED = f"{_HOLDERS} WHERE e.user_id = ANY(%(users)s) ORDER BY e.user_id"
_CHANGEABLE = """
SELECT p.id, (SELECT array_agg(ref) FROM payment_refs r WHERE r.payment_id = p.id)
FROM payments p JOIN ledger l ON l.seq = p.id
WHERE p.provider = 'stripe' AND p.id > %s AND l.occurred_at > now() - make_interval(days => %s)
ORDER BY p.id LIMIT %s
"""


async def holders(connection: Connection, user_id: str | None, policy: Policy) -> AsyncIterator[dict[str, Any]]:
    """Every user with an entitlement row (or only ``user_id``), with the verdict on each of their payments."""
    async with connection.cursor("holders") as cursor:
        await cursor.execute(_EVERYBODY.encode(), {"user": user_id})
        async for row in cursor:
            yield _holder(row, policy)


async def holders_named(connection: Connection, user_ids: Sequence[str], policy: Policy) -> list[dict[str, Any]]:
    """These users, as :func:`holders` tells of them."""
    cursor = await connection.execute(_NAMED.encode(), {"users": list(user_ids)})
    return [_holder(row, policy) for row in await cursor.fetchall()]


def _holder(row: Sequence[Any], policy: Policy) -> dict[str, Any]:
    owner, is_pro, status, source, payments = row
    return {
        "userId": owner,
        "isPro": is_pro,
        "status": status,
        "source": source,
        "payments": [_payment(*payment, policy=policy) for payment in payments],
    }


def _payment(provider: str, knowledge: list[Any], refs: list[str], *, policy: Policy) -> dict[str, Any]:
    if provider == "manual":
        return {"id": "manual", "provider": provider, "grants": None, "because": "operator", "since": None}
    verdict = judge(decode_knowledge(knowledge), provider, policy)
    return {
        "id": payment_name(refs),
        "provider": provider,
        "grants": verdict.grants,
        "because": verdict.because,
        "needsReview": verdict.review is not None,
        "since": iso_utc(verdict.intervals[0].start) if verdict.intervals else None,
        "checkoutSessionId": named(refs, "checkout_session"),
        "paymentIntentId": named(refs, "payment_intent"),
    }


async def changeable_payments(connection: Connection, after: int, limit: int) -> dict[str, Any]:
    """A page of recent payments by their provider's ids; ``next`` is where the following page starts, or None."""
    cursor = await connection.execute(_CHANGEABLE, (after, CHANGEABLE_DAYS, limit))
    rows = [(payment_id, refs or []) async for payment_id, refs in cursor]
    sessions = [named(refs, "checkout_session") for _, refs in rows]
    orphans = [named(refs, "payment_intent") for _, refs in rows if not named(refs, "checkout_session")]
    return {
        "checkoutSessionIds": [session for session in sessions if session],
        "paymentIntentIds": [intent for intent in orphans if intent],
        "next": rows[-1][0] if len(rows) == limit else None,
    }
