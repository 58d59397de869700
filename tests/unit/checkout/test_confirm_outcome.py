"""What confirm answers while the facts are not folded yet: that it doesn't know, wherever the payment may still grant."""

from __future__ import annotations

import pytest

from atlas_contracts.internal_api import EntitlementView
from checkout.confirm import _outcome
from checkout.payment_reading import Payment
from checkout.payment_outcome import PaymentOutcome

NOT_PRO = EntitlementView(
    user_id="ada", is_pro=False, status="none", source=None,
    active_from=None, active_until=None, version=0, reason=None, updated_at=None,
)  # fmt: skip


def outcome(standing: PaymentOutcome, *, applied: bool) -> str:
    return _outcome(NOT_PRO, Payment({"id": "cs_1"}, standing, (), (), ()), applied=applied)


@pytest.mark.parametrize("standing", [PaymentOutcome.PENDING, PaymentOutcome.PAID, PaymentOutcome.FREE, PaymentOutcome.DISPUTED])
def test_what_may_still_grant_is_processing_until_it_is_folded(standing: PaymentOutcome) -> None:
    assert outcome(standing, applied=False) == "processing"


@pytest.mark.parametrize("standing", [PaymentOutcome.NOT_COMPLETED, PaymentOutcome.FAILED, PaymentOutcome.REFUNDED, PaymentOutcome.LOST])
def test_what_grants_no_more_is_not_paid_at_once(standing: PaymentOutcome) -> None:
    assert outcome(standing, applied=False) == outcome(standing, applied=True) == "not_paid"


def test_a_dispute_that_suspends_is_not_paid_once_it_is_folded() -> None:
    assert outcome(PaymentOutcome.DISPUTED, applied=True) == "not_paid"
