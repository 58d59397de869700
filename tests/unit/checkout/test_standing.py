"""How a payment stands at Stripe."""

from __future__ import annotations

import pytest

from checkout.standing import Standing, standing_of


def session(status="complete", payment_status="paid", intent_status="succeeded", refunded=0) -> dict:
    charge = {"id": "ch_1", "amount": 4900, "amount_refunded": refunded}
    return {
        "status": status,
        "payment_status": payment_status,
        "payment_intent": {"status": intent_status, "latest_charge": charge},
    }


def refund(amount, status="succeeded") -> dict:
    return {"amount": amount, "status": status}


@pytest.mark.parametrize(
    ("told", "refunds", "disputes", "standing"),
    [
        (session("open", "unpaid"), [], [], Standing.NOT_COMPLETED),
        (session("expired", "unpaid"), [], [], Standing.NOT_COMPLETED),
        (session(), [], [], Standing.PAID),
        (session(payment_status="unpaid", intent_status="processing"), [], [], Standing.PENDING),
        (session(payment_status="unpaid", intent_status="requires_payment_method"), [], [], Standing.FAILED),
        (session(payment_status="unpaid", intent_status="canceled"), [], [], Standing.FAILED),
        ({"status": "complete", "payment_status": "no_payment_required", "payment_intent": None}, [], [], Standing.FREE),
        (session(refunded=4899), [refund(4899)], [], Standing.PAID),
        (session(refunded=4900), [], [], Standing.REFUNDED),
        (session(refunded=4900), [refund(2450), refund(2450)], [], Standing.REFUNDED),
        (session(refunded=4900), [refund(4900, "pending")], [], Standing.REFUNDED),
        (session(refunded=4900), [refund(4900, "failed")], [], Standing.PAID),
        (session(refunded=0), [refund(4900, "failed")], [], Standing.PAID),
        (session(refunded=4900), [refund(4900, "failed"), refund(4900)], [], Standing.REFUNDED),
        (session(), [], [{"status": "warning_needs_response"}], Standing.PAID),
        (session(), [], [{"status": "prevented"}], Standing.PAID),
        (session(), [], [{"status": "needs_response"}], Standing.DISPUTED),
        (session(), [], [{"status": "appeal_under_review"}], Standing.DISPUTED),
        (session(), [], [{"status": "won"}], Standing.PAID),
        (session(), [], [{"status": "won"}, {"status": "lost"}], Standing.LOST),
        (session(refunded=4900), [], [{"status": "won"}], Standing.REFUNDED),
    ],
)
def test_the_standing_of_a_payment(told, refunds, disputes, standing):
    assert standing_of(told, refunds, disputes) is standing
