"""The amounts of a price, in every currency that it has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atlas_contracts.billing import Offer
from atlas_stripe.objects import StripeObject, currency, optional_amount


def offers_of(price: StripeObject) -> tuple[Offer, ...]:
    """The price's own currency first, then those of ``currency_options`` (expanded), by name.

    A currency without a whole amount (fractions of a cent, pay what you want) is left out: nothing could be compared.
    Raises Unmappable.
    """
    own = currency(price)
    asked: dict[str, int] = {}
    if own is not None and (amount := optional_amount(price, "unit_amount")) is not None:
        asked[own] = amount
    options = price.get("currency_options")
    for code, option in sorted(options.items() if isinstance(options, Mapping) else ()):
        amount = optional_amount(option, "unit_amount") if isinstance(option, Mapping) else None
        if amount is not None:
            asked.setdefault(code, amount)
    return tuple(Offer(amount=amount, currency=code) for code, amount in asked.items())


def written(offers: tuple[Offer, ...]) -> list[dict[str, Any]]:
    """As the database keeps them: JSON."""
    return [offer.model_dump(by_alias=True) for offer in offers]


def read_back(rows: list[dict[str, Any]] | None) -> tuple[Offer, ...] | None:
    """The offers in a database row; None for an older row, which has only the price's own amount and currency."""
    return None if rows is None else tuple(Offer.model_validate(row) for row in rows)
