"""What a price asks in each of its currencies (``currency_options``)."""

from __future__ import annotations

from typing import Any

from atlas_devstack.sandbox.operation import Operation
from atlas_devstack.sandbox.store import Json


def keep_offers(op: Operation, price: Json, given: dict[str, Any]) -> None:
    """Remember what a price asks in further currencies, as ``currency_options`` told it."""
    if given:
        known = op.private(price["id"])
        op.put_private(price["id"], {**known, "currency_options": {**known.get("currency_options", {}), **given}})


def offers(op: Operation, price: Json) -> dict[str, int]:
    """What a price asks for one piece, in minor units, by currency; its own currency comes first."""
    options = op.private(price["id"]).get("currency_options", {})
    amounts = {currency: option["unit_amount"] for currency, option in options.items() if "unit_amount" in option}
    return {price["currency"]: price["unit_amount"], **amounts}
