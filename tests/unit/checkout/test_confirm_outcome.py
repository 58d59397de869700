"""What confirm answers: by what Stripe says of the money, and by the policy's verdict once the facts are folded."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_contracts.internal_api import EntitlementView, PaymentVerdictView
from atlas_kit.http.errors import NotFound
from checkout.domain.payment_outcome import PaymentOutcome
from checkout.use_cases.confirm import MAY_BECOME_PRO, _not_active
from checkout.use_cases.read_payment import PaymentAtStripe
from checkout.use_cases.why_not_pro import why_not_pro

NOT_PRO = EntitlementView(
    user_id="ada", is_pro=False, status="none", source=None,
    active_from=None, active_until=None, version=0, reason=None, updated_at=None,
)  # fmt: skip


def verdict(because: str, **more: Any) -> PaymentVerdictView:
    return PaymentVerdictView(**{"checkout_session_id": "cs_1", "grants": False, "because": because, "needs_review": False, **more})


def payment(outcome: PaymentOutcome, *, unreadable: str | None = None, product: str | None = "pro_lifetime_v1") -> PaymentAtStripe:
    return PaymentAtStripe({"id": "cs_1", "metadata": {"productKey": product}}, outcome, (), (), (), unreadable)


def told(paid: PaymentAtStripe, known: PaymentVerdictView | None, *, recorded: bool = False) -> tuple[str, str | None]:
    result = _not_active(NOT_PRO, paid, why_not_pro(paid, known, recorded=recorded))
    return result.outcome, result.reason


@pytest.mark.parametrize("outcome", [PaymentOutcome.PENDING, PaymentOutcome.PAID, PaymentOutcome.FREE, PaymentOutcome.DISPUTED])
def test_what_may_still_grant_is_not_decided_until_it_is_folded(outcome: PaymentOutcome) -> None:
    assert outcome in MAY_BECOME_PRO


@pytest.mark.parametrize("outcome", [PaymentOutcome.NOT_COMPLETED, PaymentOutcome.FAILED])
def test_only_where_stripe_says_unpaid_is_there_no_reason(outcome: PaymentOutcome) -> None:
    assert told(payment(outcome), verdict("not_paid")) == ("not_paid", None)
    assert outcome not in MAY_BECOME_PRO


@pytest.mark.parametrize(
    ("outcome", "known", "answer"),
    [
        (PaymentOutcome.PENDING, verdict("payment_pending"), ("processing", None)),
        (PaymentOutcome.REFUNDED, verdict("refunded"), ("not_paid", "refunded")),
        (PaymentOutcome.REFUNDED, verdict("other_currency", needs_review=True), ("not_paid", "refunded")),
        (PaymentOutcome.LOST, verdict("other_currency"), ("not_paid", "chargeback_lost")),
        (PaymentOutcome.FREE, verdict("free_checkout"), ("not_paid", "free_checkout")),
        (PaymentOutcome.FREE, None, ("not_paid", "free_checkout")),
        (PaymentOutcome.PAID, verdict("other_amount_than_recorded", needs_review=True), ("needs_review", None)),
        (PaymentOutcome.DISPUTED, verdict("other_currency", needs_review=True), ("needs_review", None)),
        (PaymentOutcome.PAID, None, ("needs_review", None)),
        (PaymentOutcome.PAID, verdict("revoked_by_operator"), ("not_paid", "revoked_by_operator")),
        (PaymentOutcome.PAID, verdict("refunded"), ("not_paid", "refunded")),
        (PaymentOutcome.DISPUTED, verdict("suspended_by_dispute"), ("processing", None)),
        (PaymentOutcome.PAID, verdict("paid", grants=True), ("processing", None)),  # folded between two questions
    ],
)
def test_the_answer_to_a_buyer_who_is_not_pro(
    outcome: PaymentOutcome, known: PaymentVerdictView | None, answer: tuple[str, str | None]
) -> None:
    assert told(payment(outcome), known) == answer


def test_a_paid_session_that_contradicts_itself_is_somebodys_money() -> None:
    assert told(payment(PaymentOutcome.PAID, unreadable="contradicting_user"), None) == ("needs_review", None)


def test_somebody_elses_product_is_nobodys_review_unless_we_sold_it() -> None:
    other = payment(PaymentOutcome.PAID, product="pro_other")
    assert why_not_pro(other, None, recorded=False) is None
    assert why_not_pro(other, None, recorded=True) == "needs_review"
    with pytest.raises(NotFound):
        told(payment(PaymentOutcome.PAID, unreadable="malformed_object", product="pro_other"), None)
