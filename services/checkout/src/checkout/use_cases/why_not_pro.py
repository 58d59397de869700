"""Why a payment doesn't make its buyer Pro, from what Stripe says of the money and the policy's verdict on it. Pure.

The verdict comes from the entitlements service, after the facts are folded: confirm, restore and a further checkout
give the same reason as ``explain``, and no second policy is kept here.
"""

from __future__ import annotations

from typing import Literal

from atlas_contracts.internal_api import PaymentVerdictView
from atlas_stripe.session_ownership import is_somebody_elses
from checkout.domain.payment_outcome import HOLDS_MONEY, PaymentOutcome
from checkout.use_cases.read_payment import PaymentAtStripe

WhyNotPro = Literal[
    "payment_pending", "needs_review", "revoked_by_operator", "chargeback_lost", "refunded", "free_checkout"
]
ENDED: dict[PaymentOutcome, WhyNotPro] = {
    PaymentOutcome.PENDING: "payment_pending",
    PaymentOutcome.LOST: "chargeback_lost",
    PaymentOutcome.REFUNDED: "refunded",
    PaymentOutcome.FREE: "free_checkout",
}
"""Outcomes at Stripe that decide by themselves, without a verdict."""
HOLDS: dict[str, WhyNotPro] = {
    "suspended_by_dispute": "payment_pending",  # the bank may still decide for us
    "chargeback_lost": "chargeback_lost",
    "refunded": "refunded",
}
"""Verdicts that matter for a payment which, by this read, is paid and not given back."""


def why_not_pro(payment: PaymentAtStripe, verdict: PaymentVerdictView | None, *, recorded: bool) -> WhyNotPro | None:
    """The reason; None where nothing was bought, or where the payment is for another product.

    Args:
        payment: as Stripe has it.
        verdict: the ledger's; None where no fact tells of the session.
        recorded: whether our checkout service made the session.

    """
    if verdict and verdict.because == "revoked_by_operator":
        return "revoked_by_operator"
    if payment.outcome not in HOLDS_MONEY:
        return ENDED.get(payment.outcome)
    if verdict is None or payment.unreadable:
        return None if _somebody_elses(payment, recorded=recorded) else "needs_review"
    if verdict.needs_review:
        return "needs_review"
    return HOLDS.get(verdict.because)


def _somebody_elses(payment: PaymentAtStripe, *, recorded: bool) -> bool:
    product = (payment.session.get("metadata") or {}).get("productKey")
    return is_somebody_elses(product, recorded=recorded)
