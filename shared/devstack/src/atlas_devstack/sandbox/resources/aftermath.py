"""What follows a payment with some of Stripe's test cards: disputes, fraud warnings, refunds that change their mind."""

from __future__ import annotations

from collections.abc import Callable

from atlas_devstack.sandbox.errors import StripeError
from atlas_devstack.sandbox.operation import Operation
from atlas_devstack.sandbox.resources import disputes, fraud, refunds
from atlas_devstack.sandbox.store import Json

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
    """Bring about what the card of a paid charge stands for."""
    happens = AT_ONCE.get(op.private(charge["id"]).get("after", ""))
    if happens is not None:
        happens(op, charge["id"])


def end_refund(op: Operation, entry: Json) -> None:
    """Let a refund end as its card stands for, unless somebody was quicker in the control room."""
    op.store.remove("refund_to_end", entry["refund"])
    try:
        LATER[entry["how"]](op, entry["refund"])
    except StripeError:
        return
