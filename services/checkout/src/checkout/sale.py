"""What a sale works with, and the three reasons why nothing is sold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from atlas_contracts.internal_api import EntitlementOverview, EntitlementView, PaymentVerdictView
from atlas_contracts.public_api import Recovery
from atlas_kit.database import Database
from atlas_kit.errors import InvalidRequest
from checkout.customers import CustomerProvider
from checkout.payment_reading import PaymentSource
from checkout.publishing import Publisher
from checkout.session_parameters import NO_OPTIONS, SessionOptions
from checkout.stripe_failure import StripeFailure
from checkout.stripe_gateway import Read


class AlreadyPro(InvalidRequest):
    """The user paid already."""

    default_message = "Pro is already active."
    default_recovery = Recovery.NONE


class PaymentProcessing(InvalidRequest):
    """A delayed payment of the user is under way; it may still succeed."""

    default_message = "A payment is already being processed."
    default_recovery = Recovery.NONE


class PaymentNeedsReview(InvalidRequest):
    """The user paid, and the payment may not grant: a person must look at it before they pay again."""

    default_message = "Your payment was received and is being reviewed. Please contact support."
    default_recovery = Recovery.NONE


class CheckoutProvider(CustomerProvider, PaymentSource, Protocol):
    """What opening a checkout asks of Stripe."""

    async def create_session(self, parameters: Mapping[str, Any], idempotency_key: str) -> Read: ...

    async def read_session(self, session_id: str) -> Read: ...

    async def read_price(self, price_id: str) -> Read: ...

    async def expire_session(self, session_id: str) -> Read: ...

    def sessions(self, **filters: Any) -> AsyncIterator[Read]: ...


class EntitlementSource(Protocol):
    """What is asked of the entitlements service."""

    async def entitlement(self, user_id: str) -> EntitlementView: ...

    async def overview(self, user_id: str) -> EntitlementOverview: ...

    async def applied(self, user_id: str, event_ids: list[str]) -> bool: ...

    async def verdicts(self, user_id: str, session_ids: list[str]) -> dict[str, PaymentVerdictView]: ...


@dataclass(frozen=True, slots=True)
class Checkout:
    """What opening a checkout works with."""

    database: Database
    stripe: CheckoutProvider
    broker: Publisher
    entitlements: EntitlementSource
    price_id: str
    origin: str
    options: SessionOptions = NO_OPTIONS


async def expire(checkout: Checkout, session_id: str) -> bool:
    """Close an open session. False when it was no longer open: paid, perhaps, so look again."""
    try:
        await checkout.stripe.expire_session(session_id)
    except StripeFailure as failure:
        if failure.status == 400:
            return False
        raise
    return True
