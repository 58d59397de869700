"""The amount of money in a fact, for ``explain``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]


def amount_of(facts: Facts) -> dict[str, Any] | None:
    """``{"amount", "of", "currency"}`` in minor units; None for a fact without an amount.

    ``of`` is the whole where the amount is a part of it (a charge's refunded part), else None.
    """
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
            # For a charge of which nothing is refunded, the amount is the whole charge.
            part = told[amount] or of or 0
            return {"amount": part, "of": of if told[amount] else None, "currency": told["currency"]}
    return None
