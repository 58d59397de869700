"""The money that a fact speaks of, for whoever explains it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]


def amount_of(facts: Facts) -> dict[str, Any] | None:
    """``{"amount", "of", "currency"}`` in minor units, ``of`` being the whole where the amount is a part; or None."""
    for kind, amount, whole in (
        ("refund", "amount", None),
        ("dispute", "amount", None),
        ("charge", "amountRefunded", "amount"),
        ("checkoutSession", "amountTotal", None),
        ("recordedSession", "amount", None),
    ):
        told = facts.get(kind)
        if isinstance(told, Mapping) and told.get(amount) is not None and told.get("currency"):
            of = told.get(whole) if whole else None
            # A charge of which nothing is refunded speaks of the whole.
            part = told[amount] or of or 0
            return {"amount": part, "of": of if told[amount] else None, "currency": told["currency"]}
    return None
