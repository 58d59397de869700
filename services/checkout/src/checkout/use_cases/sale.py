"""The dependencies for opening a checkout, the three reasons not to sell, and closing an open session."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_contracts.public_api import Recovery
from atlas_kit.http.errors import InvalidRequest
from atlas_kit.storage.database import Database
from atlas_stripe.failure import StripeFailure
from checkout.domain.session_parameters import NO_OPTIONS, SessionOptions
from checkout.ports import Entitlements, Publisher, SaleCalls


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


@dataclass(frozen=True, slots=True)
class Checkout:
    """The dependencies for opening a checkout."""

    database: Database
    stripe: SaleCalls
    broker: Publisher
    entitlements: Entitlements
    price_id: str
    origin: str
    options: SessionOptions = NO_OPTIONS


async def expire(checkout: Checkout, session_id: str) -> bool:
    """Close an open session. False when it was no longer open: it may have been paid, so it must be read again.

    Raises StripeFailure.
    """
    try:
        await checkout.stripe.expire_session(session_id)
    except StripeFailure as failure:
        if failure.status == 400:
            return False
        raise
    return True
