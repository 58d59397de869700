"""A provider's event whose id is known, told once more: does it contradict what the ledger holds?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.rows import dict_row

from atlas_contracts.contradiction import contradiction
from atlas_contracts.internal_api import ToldAgainResult
from atlas_contracts.model import iso_utc
from atlas_kit.storage.database import Connection

FORGOTTEN = "forgotten:"
"""How the id of a forgotten user begins (``forget``)."""
_REFS = {
    "checkoutSessionId": "checkout_session_id",
    "paymentIntentId": "payment_intent_id",
    "chargeId": "charge_id",
    "customerId": "customer_id",
    "refundId": "refund_id",
    "disputeId": "dispute_id",
}
_READ = f"""
SELECT user_id, product_key, plan_type, occurred_at, facts, {", ".join(_REFS.values())}
FROM ledger WHERE provider = %s AND provider_event_id = %s
""".encode()  # noqa: S608 - names of our own columns


async def told_again(connection: Connection, data: Mapping[str, Any]) -> ToldAgainResult:
    """Compare ``data`` (a billing event's, as it travels) with the ledger's entry of the same provider event.

    Of a forgotten user nothing is compared: whoever tells it again must not bring their id back.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_READ, (str(data.get("provider")), str(data.get("providerEventId"))))
        row = await cursor.fetchone()
    if row is None:
        return ToldAgainResult(known=False)
    if str(row["user_id"]).startswith(FORGOTTEN):
        return ToldAgainResult(known=True)
    first = {
        **row["facts"],
        "userId": row["user_id"],
        "productKey": row["product_key"],
        "planType": row["plan_type"],
        "occurredAt": iso_utc(row["occurred_at"]),
        "refs": {name: row[column] for name, column in _REFS.items()},
    }
    return ToldAgainResult(known=True, contradiction=contradiction(first, data))
