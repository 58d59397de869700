"""Where a visitor stands with Pro: what the account page says, decided here and nowhere else. Pure."""

from __future__ import annotations

from enum import StrEnum

from atlas_contracts.entitlements import Source
from atlas_contracts.public_api import BillingOverview


class Standing(StrEnum):
    SIGNED_OUT = "signed-out"
    UNAVAILABLE = "unavailable"
    """The services behind the gateway don't answer: nothing is known, and nothing is claimed."""
    PRO = "pro"
    PROCESSING = "processing"
    CONFIRMING = "confirming"
    """Back from Checkout; the payment isn't known here yet."""
    SLOW = "slow"
    """Confirming, and it takes longer than it should."""
    NEEDS_REVIEW = "needs-review"
    """Paid, and Pro can't be switched on automatically: support has to look."""
    FAILED = "failed"
    REVOKED = "revoked"
    FREE = "free"


WAITING = (Standing.CONFIRMING, Standing.SLOW)
SOURCES: dict[Source, str] = {
    "stripe": "Bought on the web",
    "ios_iap": "Bought in the App Store",
    "android_iap": "Bought on Google Play",
    "manual": "Granted by Atlas support",
}


def standing_of(overview: BillingOverview, waiting: Standing | None) -> Standing:
    """``waiting``: what the browser says that it waits for; facts go first."""
    payment = overview.payment.state if overview.payment else None
    if overview.entitlement.is_pro:
        return Standing.PRO
    if payment == "needs_review":
        return Standing.NEEDS_REVIEW
    if payment == "processing":
        return Standing.PROCESSING
    if waiting is not None:
        return waiting
    if payment == "failed":
        return Standing.FAILED
    return Standing.REVOKED if overview.entitlement.status == "revoked" else Standing.FREE


def waiting_for(checkout: str | None, view: str | None) -> Standing | None:
    """From the query: ``checkout=success`` by Stripe, ``view`` by our script while it waits."""
    if view in WAITING:
        return Standing(view)
    return Standing.CONFIRMING if checkout == "success" else None
