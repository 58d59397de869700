"""The state of a payment at Stripe, from its objects as they are now. Pure.

This is Stripe's side only: who is Pro is decided by the entitlements service, from facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from atlas_stripe import refund_arithmetic
from atlas_stripe.objects import StripeObject
from atlas_stripe.refund_arithmetic import AmountTold, Failure
from atlas_stripe.statuses import FAILED_REFUND_STATUSES, PAYMENT_INTENT_FAILED

OPEN_DISPUTES = frozenset({"needs_response", "under_review", "appeal_needs_response", "appeal_under_review"})

ONE_MOMENT = datetime.min.replace(tzinfo=UTC)
"""The arithmetic compares times. Here all objects are read together, so one time for all of them is right."""


class PaymentOutcome(StrEnum):
    """One word for where the money is."""

    NOT_COMPLETED = "not_completed"
    PENDING = "payment_pending"
    FAILED = "payment_failed"
    FREE = "free_checkout"
    PAID = "paid"
    DISPUTED = "disputed"
    REFUNDED = "refunded"
    LOST = "chargeback_lost"


HOLDS_MONEY = frozenset({PaymentOutcome.PAID, PaymentOutcome.DISPUTED})
"""We have the money (while a dispute is open, perhaps not for good): selling again would sell twice."""


def outcome_of(
    session: StripeObject, refunds: Sequence[StripeObject] = (), disputes: Sequence[StripeObject] = ()
) -> PaymentOutcome:
    """The state of the payment of ``session``, which must have its payment and charge expanded."""
    if session.get("status") != "complete":
        return PaymentOutcome.NOT_COMPLETED
    match session.get("payment_status"):
        case "paid":
            return _outcome_of_paid(session, refunds, disputes)
        case "no_payment_required":
            return PaymentOutcome.FREE
        case _:
            intent = session.get("payment_intent") or {}
            return PaymentOutcome.FAILED if intent.get("status") in PAYMENT_INTENT_FAILED else PaymentOutcome.PENDING


def _outcome_of_paid(
    session: StripeObject, refunds: Sequence[StripeObject], disputes: Sequence[StripeObject]
) -> PaymentOutcome:
    charge = charge_of(session)
    if any(dispute.get("status") == "lost" for dispute in disputes):
        return PaymentOutcome.LOST
    if charge and amount_refunded(charge, refunds) >= charge.get("amount", 0):
        return PaymentOutcome.REFUNDED
    if any(dispute.get("status") in OPEN_DISPUTES for dispute in disputes):
        return PaymentOutcome.DISPUTED
    return PaymentOutcome.PAID


def charge_of(session: StripeObject) -> StripeObject | None:
    """The charge that paid the session, when there is one and it is expanded."""
    intent = session.get("payment_intent")
    charge = intent.get("latest_charge") if isinstance(intent, dict) else None
    return charge if isinstance(charge, dict) else None


def amount_refunded(charge: StripeObject, refunds: Sequence[StripeObject]) -> int:
    """Minor units that went back, by the policy's own arithmetic, for a charge and its refunds read together."""
    succeeded = sum(refund["amount"] for refund in refunds if refund.get("status") == "succeeded")
    failures = [
        Failure(charge["id"], refund["amount"], ONE_MOMENT, read=True)
        for refund in refunds
        if refund.get("status") in FAILED_REFUND_STATUSES
    ]
    told = AmountTold(charge["id"], charge.get("amount_refunded", 0), ONE_MOMENT, read=True)
    return refund_arithmetic.amount_refunded(succeeded, [told], failures)
