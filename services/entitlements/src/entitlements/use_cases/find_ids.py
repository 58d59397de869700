"""Finds users and payments by any id that the ledger has stored."""

from __future__ import annotations

from typing import Any

from atlas_kit.storage.database import Connection
from entitlements.domain.naming import payment_name

_PAYMENTS = """
WITH told AS (SELECT seq FROM ledger WHERE provider_event_id = %(id)s AND provider = ANY(%(providers)s)
              UNION SELECT seq FROM ledger WHERE customer_id = %(id)s),
     found AS (SELECT payment_id AS id FROM payment_refs WHERE ref = ANY(%(refs)s)
               UNION SELECT payment_id FROM payment_facts JOIN told USING (seq))
SELECT p.user_id, p.also_users, (SELECT array_agg(ref) FROM payment_refs WHERE payment_id = p.id)
FROM payments p JOIN found USING (id) ORDER BY p.id
"""
_USERS = """
SELECT user_id FROM entitlements WHERE user_id = %(id)s
UNION SELECT user_id FROM ledger WHERE user_id = %(id)s
UNION SELECT user_id FROM ledger WHERE provider_event_id = %(id)s AND provider = ANY(%(providers)s)
"""
PROVIDERS = ["stripe", "manual", "ios_iap", "android_iap"]
KINDS = ("payment_intent", "checkout_session", "charge", "refund", "dispute")


async def find(connection: Connection, wanted: str) -> dict[str, Any]:
    """``{"known", "users", "payments"}`` of an id: a user's, or Stripe's (pi_, cs_, ch_, re_, dp_, cus_, evt_)."""
    refs = [f"{provider}:{kind}:{wanted}" for provider in PROVIDERS for kind in KINDS]
    given = {"id": wanted, "refs": refs, "providers": PROVIDERS}
    cursor = await connection.execute(_USERS.encode(), given)
    users = {row[0] async for row in cursor if row[0]}
    payments: set[str] = set()
    cursor = await connection.execute(_PAYMENTS.encode(), given)
    async for user_id, also, tied in cursor:
        users.update(filter(None, (user_id, *(also or ()))))
        payments.update([payment_name(tied)] if tied and not tied[0].startswith("manual:") else [])
    return {"known": bool(users or payments), "users": sorted(users), "payments": sorted(payments)}
