"""What follows a payment with certain test cards of Stripe: disputes, fraud warnings, refunds that fail or wait."""

from __future__ import annotations

from collections.abc import Callable

from stripe_sandbox.errors import StripeError
from stripe_sandbox.operation import Operation
from stripe_sandbox.resources import disputes, fraud, refunds
from stripe_sandbox.store import Json

AT_ONCE: dict[str, Callable[[Operation, str], Json]] = {
    "dispute": lambda op, charge: disputes.opened(op, {"charge": charge}),
    "dispute_not_received": lambda op, charge: disputes.opened(
        op, {"charge": charge, "reason": "product_not_received"}
    ),
    "inquiry": lambda op, charge: disputes.opened(op, {"charge": charge, "status": "warning_needs_response"}),
    "fraud_warning": lambda op, charge: fraud.warn(op, {"charge": charge}),
}
LATER: dict[str, Callable[[Operation, str], Json]] = {
    "refund_fails": lambda op, refund: refunds.fail(op, refund, "expired_or_canceled_card"),
    "refund_waits": refunds.settle,
}


def follow_payment(op: Operation, charge: Json) -> None:
    """Do what Stripe does after a payment with this charge's test card."""
    happens = AT_ONCE.get(op.private(charge["id"]).get("after", ""))
    if happens is not None:
        happens(op, charge["id"])


def end_refund(op: Operation, entry: Json) -> None:
    """Give a refund the final status that its test card stands for, unless somebody has ended it before."""
    op.store.remove("refund_to_end", entry["refund"])
    try:
        LATER[entry["how"]](op, entry["refund"])
    except StripeError:
        return
