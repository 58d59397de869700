"""The texts of all toasts, of the server and of the script (which gets them as ``data-copy``).

Those of docs/pages.md that are marked as given must not change by a byte.
"""

from __future__ import annotations

from typing import Final

from atlas_contracts import unavailable
from atlas_contracts.public_api import ErrorCode, Recovery

CHECKOUT_CONFIRMING: Final = "Checkout completed. We are confirming your payment now. Pro access should appear shortly."
CHECKOUT_ACTIVE: Final = "Checkout completed and Pro is now active on your account."
CHECKOUT_CANCELED: Final = "Checkout canceled. No charge was made."
PRO_ALREADY_ACTIVE: Final = "Pro is already active on this account."
CHECKOUT_SIGNED_OUT: Final = "Your session ended while you were away. Sign in to see your purchase."
NEEDS_REVIEW: Final = (
    "Your payment was received, but Pro could not be switched on automatically. Please contact support."
)
FREE_CHECKOUT: Final = (
    "This checkout cost nothing, and a free checkout does not switch Pro on here. Please contact support."
)
RESTORE_FAILED: Final = "Unable to restore your purchase right now."

BANK_DAYS: Final = "3 to 5 business days"
"""How long a bank debit takes. Stripe's documentation: ACH up to four business days, BACS three, SEPA five."""
PAYMENT_ON_ITS_WAY: Final = (
    f"Checkout completed. Your bank payment is on its way. It usually takes {BANK_DAYS}, and Pro starts by itself when "
    "it arrives."
)

HINTS: Final = {
    Recovery.NONE: "",
    Recovery.RETRY: "Try again.",
    Recovery.RETRY_LATER: "Try again shortly.",
    Recovery.REAUTH: "Please sign in again.",
    Recovery.UPDATE_INPUT: "Check the details and try again.",
}

FOR_SCRIPT: Final = {
    "checkout": {
        "confirming": CHECKOUT_CONFIRMING,
        "active": CHECKOUT_ACTIVE,
        "slow": "Confirming your payment takes longer than usual. This page keeps looking.",
        # Without a reason Stripe says that the session is unpaid: only then may we say that nothing was charged.
        "not_paid": "This checkout was not paid. Nothing was charged.",
        "refunded": "This payment was refunded, so Pro is not active.",
        "chargeback_lost": "Your bank took this payment back, so Pro is not active.",
        "free_checkout": FREE_CHECKOUT,
        "revoked_by_operator": "Atlas support ended the access that this payment gave.",
        "ended": "This payment does not give Pro any more.",
        "needs_review": NEEDS_REVIEW,
        "failed": "Your payment could not be confirmed.",
    },
    "restore": {
        "restored": "Purchase restored. Pro access is now active.",
        "already_active": PRO_ALREADY_ACTIVE,
        "not_found": "No completed web purchase was found for this account.",
        "refunded": "Your purchase was refunded, so it can't be restored.",
        "chargeback_lost": "Your bank took this payment back, so the purchase can't be restored.",
        "payment_pending": "Your payment is still processing. Pro starts by itself when it settles.",
        "needs_review": NEEDS_REVIEW,
        "free_checkout": FREE_CHECKOUT,
        "revoked_by_operator": "Atlas support ended the access that this purchase gave, so it can't be restored.",
        "not_eligible": "Your purchase can't be restored.",
        "failed": RESTORE_FAILED,
    },
    "live": {
        "active": "Pro is now active on your account.",
        "ended": "Pro is no longer active on your account.",
        "signed_out": "Not authenticated.",
    },
    "payment": {"on_its_way": PAYMENT_ON_ITS_WAY},
    "busy": {"restore": "Restoring purchase...", "check": "Checking..."},
    "theme": {"dark": "Switch to dark theme", "light": "Switch to light theme"},
    "hints": {recovery.value: hint for recovery, hint in HINTS.items()},
}

PAYMENT_PROCESSING: Final = "A payment is already being processed."
"""Another cause of ``invalid_request``: Checkout is refused while a delayed payment is processed."""
PAYMENT_IN_REVIEW: Final = "Your payment was received and is being reviewed. Please contact support."
"""The third cause: a payment arrived that may not make its buyer Pro.

Support has to look before anybody pays again."""

BILLING_ERRORS: Final[dict[str, tuple[str, Recovery]]] = {
    ErrorCode.INVALID_REQUEST: ("Pro is already active.", Recovery.NONE),
    ErrorCode.NOT_FOUND: ("No Stripe billing history was found for this account yet.", Recovery.NONE),
    ErrorCode.UNAUTHORIZED: ("Not authenticated.", Recovery.REAUTH),
    ErrorCode.FORBIDDEN: ("This is not allowed for your account.", Recovery.NONE),
    ErrorCode.RATE_LIMITED: ("Too many requests. Please try again later.", Recovery.RETRY_LATER),
    ErrorCode.INTERNAL_ERROR: (unavailable.BILLING, Recovery.RETRY_LATER),
}
"""What ``/account?billing_error=<code>`` says: only the checkout and portal links send it, so a code has one cause
(``invalid_request`` has three, which arrival.py tells apart by the state of the visitor's account)."""
