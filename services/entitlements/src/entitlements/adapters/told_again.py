"""Whether a provider event that arrives again contradicts what the ledger has stored under its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row

from atlas_contracts.contradiction import contradiction
from atlas_contracts.internal_api import ToldAgainResult
from atlas_contracts.model import iso_utc
from atlas_contracts.user_id import FORGOTTEN
from atlas_kit.storage.database import Connection
from entitlements.adapters.ledger_entry import LedgerEntry

_REFS = {
    "checkoutSessionId": "checkout_session_id",
    "paymentIntentId": "payment_intent_id",
    "chargeId": "charge_id",
    "customerId": "customer_id",
    "refundId": "refund_id",
    "disputeId": "dispute_id",
}
_READ = f"""
SELECT provider, provider_event_id, type, user_id, product_key, plan_type, occurred_at, facts,
       {", ".join(_REFS.values())}
FROM ledger JOIN unnest(%s::text[], %s::text[]) AS k (p, e) ON provider = k.p AND provider_event_id = k.e
""".encode()  # noqa: S608 - names of our own columns


async def told_again(connection: Connection, data: Mapping[str, Any]) -> ToldAgainResult:
    """Compare ``data`` (of a billing event, as sent) with the ledger's entry of the same provider event.

    For a forgotten user nothing is compared: the user id differs by design, and must not be parked and so come back.
    """
    key = str(data.get("provider")), str(data.get("providerEventId"))
    first = (await _first_tellings(connection, [key])).get(key)
    if first is None:
        return ToldAgainResult(known=False)
    if _is_forgotten(first):
        return ToldAgainResult(known=True)
    return ToldAgainResult(known=True, contradiction=contradiction(first, data))


async def contradicted(connection: Connection, entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Those of ``entries`` whose key is in the ledger with other content or another type; the ledger's entry counts."""
    firsts = await _first_tellings(connection, sorted({entry.key for entry in entries}))
    return [entry for entry in entries if entry.key in firsts and _contradicts(entry, firsts[entry.key])]


def _contradicts(entry: LedgerEntry, first: Mapping[str, Any]) -> bool:
    if entry.type != first["type"]:
        return True
    data = entry.data
    again = {
        **entry.facts,
        "userId": data.user_id,
        "productKey": data.product_key,
        "planType": data.plan_type,
        "occurredAt": iso_utc(data.occurred_at),
        "refs": data.refs.model_dump(by_alias=True),
    }
    return not _is_forgotten(first) and contradiction(first, again) is not None


async def _first_tellings(
    connection: Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """What the ledger has under each ``(provider, providerEventId)``, with the field names of billing events."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_READ, ([key[0] for key in keys], [key[1] for key in keys]))
        rows = await cursor.fetchall()
    return {
        (row["provider"], row["provider_event_id"]): {
            **row["facts"],
            "type": row["type"],
            "userId": row["user_id"],
            "productKey": row["product_key"],
            "planType": row["plan_type"],
            "occurredAt": iso_utc(row["occurred_at"]),
            "refs": {name: row[column] for name, column in _REFS.items()},
        }
        for row in rows
    }


def _is_forgotten(first: Mapping[str, Any]) -> bool:
    return str(first["userId"]).startswith(FORGOTTEN)
