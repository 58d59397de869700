"""Which parts of a Stripe event are kept when it is parked: everything that the mapping reads, and no personal data.

A session has its buyer's name, e-mail and address, and a hosted URL that gives access to whoever has it. Parked events
are kept for years and shown to operators, so only the fields in these lists are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EVENT_FIELDS = ("id", "object", "type", "created", "livemode", "account", "context", "api_version")
OBJECT_FIELDS = (
    "id",
    "object",
    "status",
    "payment_status",
    "mode",
    "amount",
    "amount_subtotal",
    "amount_total",
    "amount_refunded",
    "currency",
    "livemode",
    "payment_link",
    "client_reference_id",
    "created",
    "payment_intent",
    "charge",
    "customer",
    "latest_charge",
    "paid",
    "refunded",
    "reason",
    "actionable",
    "fraud_type",
)
METADATA_FIELDS = ("userId", "productKey")
MAX_TEXT = 300
"""Characters kept of a text: more than the mapping accepts, so that a text which was too long stays too long."""
MAX_INTEGER = 10**18


def retained(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event reduced to what a redrive needs. The mapping gives the same result, or error, as for the whole one."""
    obj = event["data"]["object"]
    kept = {name: _reduced(obj[name]) for name in OBJECT_FIELDS if name in obj}
    metadata = obj.get("metadata")
    if isinstance(metadata, Mapping):
        kept["metadata"] = {name: _reduced(metadata[name]) for name in METADATA_FIELDS if name in metadata}
    elif metadata is not None:
        kept["metadata"] = _reduced(metadata)
    return {**{name: _reduced(event[name]) for name in EVENT_FIELDS if name in event}, "data": {"object": kept}}


def _reduced(value: Any) -> Any:
    """A scalar of bounded size, an expanded object's id, or an empty stand-in of the same kind."""
    match value:
        case None | bool() | float():
            return value
        case str():
            return value[:MAX_TEXT]
        case int():
            return max(-MAX_INTEGER, min(value, MAX_INTEGER))
        case Mapping():
            return {"id": _reduced(value["id"])} if isinstance(value.get("id"), str) else {}
        case _:
            return []
