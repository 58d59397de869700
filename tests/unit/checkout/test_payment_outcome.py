"""How a payment stands at Stripe."""

from __future__ import annotations

import pytest

from checkout.payment_outcome import PaymentOutcome, outcome_of


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
        (session("open", "unpaid"), [], [], PaymentOutcome.NOT_COMPLETED),
        (session("expired", "unpaid"), [], [], PaymentOutcome.NOT_COMPLETED),
        (session(), [], [], PaymentOutcome.PAID),
        (session(payment_status="unpaid", intent_status="processing"), [], [], PaymentOutcome.PENDING),
        (session(payment_status="unpaid", intent_status="requires_payment_method"), [], [], PaymentOutcome.FAILED),
        (session(payment_status="unpaid", intent_status="canceled"), [], [], PaymentOutcome.FAILED),
        ({"status": "complete", "payment_status": "no_payment_required", "payment_intent": None}, [], [], PaymentOutcome.FREE),
        (session(refunded=4899), [refund(4899)], [], PaymentOutcome.PAID),
        (session(refunded=4900), [], [], PaymentOutcome.REFUNDED),
        (session(refunded=4900), [refund(2450), refund(2450)], [], PaymentOutcome.REFUNDED),
        (session(refunded=4900), [refund(4900, "pending")], [], PaymentOutcome.REFUNDED),
        (session(refunded=4900), [refund(4900, "failed")], [], PaymentOutcome.REFUNDED),
        (session(refunded=0), [refund(4900, "failed")], [], PaymentOutcome.PAID),
        (session(refunded=4900), [refund(4900, "failed"), refund(4900)], [], PaymentOutcome.REFUNDED),
        (session(), [], [{"status": "warning_needs_response"}], PaymentOutcome.PAID),
        (session(), [], [{"status": "prevented"}], PaymentOutcome.PAID),
        (session(), [], [{"status": "needs_response"}], PaymentOutcome.DISPUTED),
        (session(), [], [{"status": "appeal_under_review"}], PaymentOutcome.DISPUTED),
        (session(), [], [{"status": "won"}], PaymentOutcome.PAID),
        (session(), [], [{"status": "won"}, {"status": "lost"}], PaymentOutcome.LOST),
        (session(refunded=4900), [], [{"status": "won"}], PaymentOutcome.REFUNDED),
    ],
)
def test_the_outcome_of_a_payment(told, refunds, disputes, standing):
    assert outcome_of(told, refunds, disputes) is standing
