"""What Stripe's list of events no longer tells: every payment that can still change is read again at Stripe.

Entitlements says which payments those are, checkout reads them and publishes what it finds as facts. Needed after an
outage longer than Stripe keeps events.
"""

from __future__ import annotations

from pydantic import Field

from atlas_contracts.internal_api import SweepRequest, SweepResult
from atlas_contracts.model import WireModel
from atlas_kit.http.client import ServiceClient

LIST_SECONDS = 20.0
READ_SECONDS = 300.0
"""For a page of 200 payments at Stripe's pace."""


class ChangeablePayments(WireModel):
    """A page of ``GET /operator/payments``."""

    checkout_session_ids: list[str] = Field(default_factory=list)
    payment_intent_ids: list[str] = Field(default_factory=list)
    next: int | None = None


class PaymentSweep:
    """Reads all changeable payments again, page by page. Raises Unavailable; once more is harmless."""

    def __init__(self, entitlements: ServiceClient, checkout: ServiceClient, subject: str) -> None:
        self._entitlements, self._checkout, self._subject = entitlements, checkout, subject

    async def __call__(self) -> int:
        read, after = 0, 0
        while True:
            path = f"/operator/payments?after={after}"
            page = await self._entitlements.get(path, self._subject, ChangeablePayments, seconds=LIST_SECONDS)
            asked = SweepRequest(
                checkout_session_ids=page.checkout_session_ids, payment_intent_ids=page.payment_intent_ids
            )
            result = await self._checkout.post(
                "/operator/sweep", self._subject, SweepResult, asked, seconds=READ_SECONDS
            )
            read += result.payments
            if page.next is None:
                return read
            after = page.next
