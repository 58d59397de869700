"""The state of a visitor's account, which decides what the account page says. Pure.

The templates call it ``standing``, and so does the page's ``data-standing``, which scripts read.
"""

from __future__ import annotations

from enum import StrEnum

from atlas_contracts.entitlements import Source
from atlas_contracts.public_api import BillingOverview


class AccountState(StrEnum):
    SIGNED_OUT = "signed-out"
    UNAVAILABLE = "unavailable"
    """The services behind the gateway don't answer: nothing is known of the account."""
    PRO = "pro"
    PROCESSING = "processing"
    CONFIRMING = "confirming"
    """Back from Checkout; the payment isn't known here yet."""
    SLOW = "slow"
    """Confirming, and it takes longer than it should."""
    NEEDS_REVIEW = "needs-review"
    """Paid, but Pro can't be switched on automatically: support has to look."""
    FAILED = "failed"
    REVOKED = "revoked"
    FREE = "free"


WAITING = (AccountState.CONFIRMING, AccountState.SLOW)
SOURCES: dict[Source, str] = {
    "stripe": "Bought on the web",
    "ios_iap": "Bought in the App Store",
    "android_iap": "Bought on Google Play",
    "manual": "Granted by Atlas support",
}


def account_state(overview: BillingOverview, waiting: AccountState | None) -> AccountState:
    """What the services know goes before ``waiting``, which is what the browser says that it waits for."""
    payment = overview.payment.state if overview.payment else None
    if overview.entitlement.is_pro:
        return AccountState.PRO
    if payment == "needs_review":
        return AccountState.NEEDS_REVIEW
    if payment == "processing":
        return AccountState.PROCESSING
    if waiting is not None:
        return waiting
    if payment == "failed":
        return AccountState.FAILED
    return AccountState.REVOKED if overview.entitlement.status == "revoked" else AccountState.FREE


def waiting_for(checkout: str | None, view: str | None) -> AccountState | None:
    """From the page's query: Stripe's return sets ``checkout=success``, our script ``view`` while it waits."""
    if view in WAITING:
        return AccountState(view)
    return AccountState.CONFIRMING if checkout == "success" else None
