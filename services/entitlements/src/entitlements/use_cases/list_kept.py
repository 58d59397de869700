"""Everything that the ledger has about a user, page by page, for ``./atlas export``."""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from atlas_contracts.model import iso_utc
from atlas_kit.storage.database import Connection

_COLUMNS = {
    "eventId": "event_id", "type": "type", "provider": "provider", "providerEventId": "provider_event_id",
    "userId": "user_id", "productKey": "product_key", "planType": "plan_type", "via": "via",
    "payloadHash": "payload_hash", "signatureVerified": "signature_verified", "schemaVersion": "schema_version",
    "checkoutSessionId": "checkout_session_id", "paymentIntentId": "payment_intent_id", "chargeId": "charge_id",
    "customerId": "customer_id", "refundId": "refund_id", "disputeId": "dispute_id", "requestId": "request_id",
    "facts": "facts",
}  # fmt: skip
_TIMES = {"occurredAt": "occurred_at", "receivedAt": "received_at", "recordedAt": "recorded_at"}
# The user's own facts, and those of the user's payments that name nobody (refunds, disputes). What somebody else said
# of one of these payments is theirs.
_KEPT = f"""
WITH wanted AS (SELECT seq FROM ledger WHERE user_id = %(user)s AND seq > %(after)s
                UNION SELECT f.seq FROM payment_facts f JOIN payments p ON p.id = f.payment_id
                WHERE p.user_id = %(user)s AND f.seq > %(after)s)
SELECT seq, {", ".join([*_COLUMNS.values(), *_TIMES.values()])}
FROM ledger JOIN wanted USING (seq) WHERE user_id IS NULL OR user_id = %(user)s ORDER BY seq LIMIT %(limit)s
"""  # noqa: S608 - names of our own columns


async def kept_facts(connection: Connection, user_id: str, after: int, limit: int) -> dict[str, Any]:
    """``{"facts", "next"}``: at most ``limit`` facts after sequence ``after``, oldest first, and where the next page
    begins (None: this was the last).
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_KEPT.encode(), {"user": user_id, "after": after, "limit": limit})
        rows = await cursor.fetchall()
    told = [
        {name: row[column] for name, column in _COLUMNS.items()}
        | {name: iso_utc(row[column]) for name, column in _TIMES.items()}
        for row in rows
    ]
    return {"facts": told, "next": rows[-1]["seq"] if len(rows) == limit else None}
