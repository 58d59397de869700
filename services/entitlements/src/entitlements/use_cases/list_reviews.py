"""What a person has to review: payments that are paid and may not grant, and the card networks' fraud warnings."""

from __future__ import annotations

from typing import Any

from atlas_contracts.model import iso_utc
from atlas_kit.storage.database import Connection
from entitlements.domain.naming import named

MOST = 200
"""Rows returned of each kind at most: the newest refused payments, and as many fraud warnings."""

_REFUSED = """
SELECT p.user_id, p.also_users, p.review, (SELECT array_agg(ref) FROM payment_refs WHERE payment_id = p.id)
FROM payments p WHERE p.review IS NOT NULL ORDER BY p.id DESC LIMIT %s
"""
_WARNINGS = """
SELECT DISTINCT ON (l.facts -> 'fraudWarning' ->> 'id')
       p.user_id, l.occurred_at, l.facts -> 'fraudWarning',
       (SELECT array_agg(ref) FROM payment_refs WHERE payment_id = p.id)
FROM ledger l JOIN payment_facts f USING (seq) JOIN payments p ON p.id = f.payment_id
WHERE l.type = 'fraud_warning_observed'
ORDER BY l.facts -> 'fraudWarning' ->> 'id', l.occurred_at DESC, l.event_id DESC LIMIT %s
"""


async def reviews(connection: Connection) -> dict[str, Any]:
    """``{"refused": […], "fraudWarnings": […]}``; a payment that affects two users is listed once for each."""
    cursor = await connection.execute(_REFUSED, (MOST,))
    refused = [
        {**_ids(refs), "userId": user, "reason": reason}
        async for owner, also, reason, refs in cursor
        for user in ([owner] if owner else []) + sorted(also or ())
    ]
    cursor = await connection.execute(_WARNINGS, (MOST,))
    warnings = [
        {**_ids(refs), "userId": owner, "at": iso_utc(at), **warning} async for owner, at, warning, refs in cursor
    ]
    return {"refused": refused, "fraudWarnings": warnings}


def _ids(refs: list[str] | None) -> dict[str, str | None]:
    return {
        "checkoutSessionId": named(refs or (), "checkout_session"),
        "paymentIntentId": named(refs or (), "payment_intent"),
        "chargeId": named(refs or (), "charge"),
    }
