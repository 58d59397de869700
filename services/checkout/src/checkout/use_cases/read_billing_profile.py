"""Read whether a user has a Stripe customer, for a page that must not wait long for Stripe."""

from __future__ import annotations

import asyncio
import time

from atlas_contracts.internal_api import BillingProfile
from atlas_kit.http.errors import Unavailable
from atlas_kit.process.logs import get_logger
from atlas_stripe.failure import StripeFailure
from checkout.adapters.customers import stored_customer
from checkout.use_cases.find_customer import Customers, find_customer

log = get_logger()

SEARCH_SECONDS = 2.0
"""Seconds for the search in ledger and Stripe; if it takes longer, the page shows no link."""
UNSOUGHT_SECONDS = 10.0
"""A user without a customer isn't searched for again for so long: Stripe allows 20 searches a second per account."""
MAX_UNSOUGHT = 10_000
"""Users remembered at most; then all are forgotten, which costs a search each."""


class Unsought:
    """Users for whom no customer was found within the last ``UNSOUGHT_SECONDS``."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __contains__(self, user_id: str) -> bool:
        return self._until.get(user_id, 0.0) > time.monotonic()

    def add(self, user_id: str) -> None:
        if len(self._until) >= MAX_UNSOUGHT:
            self._until.clear()
        self._until[user_id] = time.monotonic() + UNSOUGHT_SECONDS


async def read_billing_profile(customers: Customers, nobody: Unsought, user_id: str) -> BillingProfile:
    """Whether the user can manage billing; false also where ledger or Stripe don't answer in time.

    A false that should be true only hides a link: opening the portal searches again, without the short limit.
    """
    if await stored_customer(customers.database, user_id):
        return BillingProfile(can_manage_billing=True)
    if user_id in nobody:
        return BillingProfile(can_manage_billing=False)
    try:
        async with asyncio.timeout(SEARCH_SECONDS):
            found = await find_customer(customers, user_id)
    except (StripeFailure, Unavailable, TimeoutError) as error:
        log.warning("billing.customer_search.failed", userId=user_id, error=type(error).__name__)
        return BillingProfile(can_manage_billing=False)
    if found is None:
        nobody.add(user_id)
    return BillingProfile(can_manage_billing=found is not None)
