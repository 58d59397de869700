"""What each Stripe event becomes, row by row: (event type, maker of its object, canonical type).

Every supported type has a row. From here come the mapping's unit test, the webhook's end-to-end rows and the fuzzers' seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from support.stripe_events import charge, dispute, fraud_warning, refund, session

UNPAID = {"payment_status": "unpaid"}
Row = tuple[str, Callable[[], dict[str, Any]], str]
REFUND_STATUSES = {
    "succeeded": "refund_issued", "pending": "refund_issued", "requires_action": "refund_issued", "failed": "refund_failed", "canceled": "refund_failed",
    "a status of next year": "refund_issued",
}  # fmt: skip
DISPUTE_OUTCOMES = {"won": "chargeback_won", "lost": "chargeback_lost"}
DISPUTE_STATUSES = (
    "needs_response", "under_review", "warning_needs_response", "warning_under_review", "warning_closed", "appeal_needs_response", "appeal_under_review",
    "prevented", "a status of next year",
)  # fmt: skip


def _disputes(change: str) -> dict[str, str]:
    undecided = "chargeback_opened" if change == "created" else "chargeback_updated"
    return {**dict.fromkeys(DISPUTE_STATUSES, undecided), **DISPUTE_OUTCOMES}


ROWS: list[Row] = [
    ("checkout.session.completed", session, "purchase_succeeded"),
    ("checkout.session.completed", partial(session, payment_status="no_payment_required", amount_total=0), "purchase_succeeded"),
    ("checkout.session.completed", partial(session, **UNPAID), "purchase_pending"),
    ("checkout.session.async_payment_succeeded", session, "purchase_succeeded"),
    ("checkout.session.async_payment_failed", partial(session, **UNPAID), "purchase_failed"),
    ("checkout.session.expired", partial(session, status="expired", **UNPAID), "purchase_expired"),
    ("charge.refunded", charge, "refund_issued"),
    ("charge.refunded", partial(charge, amount_refunded=100, refunded=False), "refund_issued"),
    *(
        (event_type, partial(refund, status=status), canonical)
        for event_type in ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
        for status, canonical in REFUND_STATUSES.items()
    ),
    *(
        (f"charge.dispute.{change}", partial(dispute, status=status), canonical)
        for change in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
        for status, canonical in _disputes(change).items()
    ),
    *((f"radar.early_fraud_warning.{change}", fraud_warning, "fraud_warning_observed") for change in ("created", "updated")),
]
"""The first row of a type has the object that it usually comes with."""


def examples() -> dict[str, Callable[[], dict[str, Any]]]:
    """The maker of an object for each type: that of its first row."""
    makers: dict[str, Callable[[], dict[str, Any]]] = {}
    for event_type, maker, _ in ROWS:
        makers.setdefault(event_type, maker)
    return makers
