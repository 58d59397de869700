"""The answer of the checkout service to the gateway about what Pro costs."""

from __future__ import annotations

from pydantic import Field

from atlas_contracts.billing import Offer
from atlas_contracts.model import WireModel


class OfferedPrice(WireModel):
    """``GET /internal/price`` at checkout: what Pro costs at Stripe now. The token's subject is the gateway itself."""

    offers: list[Offer] = Field(description="the price's own currency first; empty while the price is not for sale")
