"""Read what Pro costs, for the page that sells it."""

from __future__ import annotations

from atlas_contracts.price_api import OfferedPrice
from checkout.domain.offers import offers_of
from checkout.ports import SaleCalls


async def read_offers(stripe: SaleCalls, price_id: str) -> OfferedPrice:
    """The price's amount in every currency that it has, read at Stripe; none while it is inactive there.

    Raises StripeFailure, Unmappable.
    """
    price = (await stripe.read_price(price_id)).body
    return OfferedPrice(offers=list(offers_of(price)) if price.get("active") else [])
