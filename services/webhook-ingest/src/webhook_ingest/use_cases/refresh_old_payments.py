"""After an outage longer than Stripe's list of events reaches back: reads every changeable payment again at Stripe.

The entitlements service says which payments those are; the checkout service reads them (its route is called sweep) and
publishes what it finds as facts.
"""

from __future__ import annotations

from pydantic import Field

from atlas_contracts.internal_api import INGEST_SERVICE, SweepRequest, SweepResult
from atlas_contracts.model import WireModel
from atlas_kit.http.client import ServiceClient

LIST_SECONDS = 20.0
"""Time limit for one page of the list."""
READ_SECONDS = 300.0
"""Time limit for reading one page of 200 payments, which checkout reads at Stripe one by one."""


class ChangeablePayments(WireModel):
    """A page of ``GET /operator/payments``."""

    checkout_session_ids: list[str] = Field(default_factory=list)
    payment_intent_ids: list[str] = Field(default_factory=list)
    next: int | None = None


async def refresh_old_payments(entitlements: ServiceClient, checkout: ServiceClient) -> int:
    """Read all changeable payments again, page by page; returns how many. Raises AtlasError; repeating is harmless."""
    read, after = 0, 0
    while True:
        path = f"/operator/payments?after={after}"
        page = await entitlements.get(path, INGEST_SERVICE, ChangeablePayments, seconds=LIST_SECONDS)
        asked = SweepRequest(checkout_session_ids=page.checkout_session_ids, payment_intent_ids=page.payment_intent_ids)
        result = await checkout.post("/operator/sweep", INGEST_SERVICE, SweepResult, asked, seconds=READ_SECONDS)
        read += result.payments
        if page.next is None:
            return read
        after = page.next
