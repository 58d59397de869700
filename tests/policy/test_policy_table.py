"""The policy table (CONTRACT 5): what a payment grants and what refunds take; the names read like the table.

Disputes are in ``test_disputes``, several payments and what comes before its purchase in ``test_order_and_sources``, whose session it
is in ``test_ownership``, the fine print in ``test_precisions``. ``told`` folds the facts in every order and fails when two orders differ: each row holds whatever comes first.
"""

from __future__ import annotations

from entitlements.domain.policy import Policy
from support.facts import Purchase, when
from support.folding import told

# --- A payment grants -------------------------------------------------------------------------------------------


def test_session_complete_and_paid__grants():
    buy = Purchase("ada")
    state = told(buy.paid(at=0))
    assert state.verdict("ada").is_pro
    assert (state.status("ada"), state.verdict("ada").source) == ("active", "stripe")
    assert state.verdict("ada").active_from == when(0)
    assert state.verdict("ada").active_until is None


def test_session_complete_and_unpaid__is_pending_and_does_not_grant():
    buy = Purchase()
    state = told(buy.pending(at=0))
    assert state.status() == "none"
    assert state.judged(buy).unfinished.state == "processing"
    assert state.judged(buy).unfinished.since == when(0)


def test_session_complete_and_unpaid__then_async_success__grants():
    buy = Purchase()
    state = told(buy.pending(at=0), buy.settled(at=3600))
    assert state.status() == "active"
    assert state.verdict().active_from == when(3600)


def test_session_complete_and_unpaid__then_async_failure__does_not_grant():
    buy = Purchase()
    state = told(buy.pending(at=0), buy.bounced(at=3600))
    assert state.status() == "none"
    assert state.judged(buy).unfinished.state == "failed"
    assert state.judged(buy).unfinished.since == when(0)


def test_async_success_without_the_completed_event__grants():
    assert told(Purchase().settled(at=5)).status() == "active"


def test_expired_session__does_not_grant():
    assert told(Purchase().expired(at=0)).status() == "none"


def test_complete_and_no_payment_required__with_grant_free_checkouts__grants():
    state = told(Purchase().free(at=0), policy=Policy(grant_free_checkouts=True))
    assert state.status() == "active"
    assert state.verdict().source == "stripe"


def test_complete_and_no_payment_required__otherwise__is_recorded_only():
    buy = Purchase()
    state = told(buy.free(at=0))
    assert state.status() == "none"
    assert state.judged(buy).unfinished is None, "a free checkout is not a payment that processes"


# --- Refunds ----------------------------------------------------------------------------------------------------


def test_partial_refund__keeps():
    buy = Purchase(amount=1000)
    refund = buy.refund(999)
    state = told(buy.paid(at=0), buy.charge_refunded(at=60, amount=999), refund.told("succeeded", at=60))
    assert state.status() == "active"


def test_full_refund_by_the_charges_amount__in_one_step__revokes():
    buy = Purchase()
    state = told(buy.paid(at=0), buy.charge_refunded(at=60))
    assert (state.status(), state.reason()) == ("revoked", "refunded")
    assert state.verdict().active_until == when(60)


def test_full_refund_by_the_charges_amount__in_several_steps__revokes():
    buy = Purchase(amount=1000)
    told_of = [buy.charge_refunded(at=60 * step, amount=step * 250) for step in (1, 2, 3, 4)]
    assert told(buy.paid(at=0), *told_of[:3]).status() == "active"
    assert told(buy.paid(at=0), *told_of).status() == "revoked"


def test_full_refund_by_refund_objects__in_one_step__revokes():
    buy = Purchase()
    assert told(buy.paid(at=0), buy.refund().told("succeeded", at=60)).status() == "revoked"


def test_full_refund_by_refund_objects__in_several_steps__revokes():
    buy = Purchase(amount=1000)
    steps = [buy.refund(400).told("succeeded", at=60), buy.refund(600).told("succeeded", at=120)]
    assert told(buy.paid(at=0), steps[0]).status() == "active"
    state = told(buy.paid(at=0), *steps)
    assert state.status() == "revoked"
    assert state.verdict().active_until == when(120)


def test_pending_refund__counts_only_through_the_charges_amount():
    buy = Purchase()
    refund = buy.refund().told("pending", at=60)
    assert told(buy.paid(at=0), refund).status() == "active"
    assert told(buy.paid(at=0), refund, buy.charge_refunded(at=60)).status() == "revoked"


def test_refund_that_requires_action__counts_only_through_the_charges_amount():
    buy = Purchase()
    refund = buy.refund().told("requires_action", at=60)
    assert told(buy.paid(at=0), refund).status() == "active"
    assert told(buy.paid(at=0), refund, buy.charge_refunded(at=60)).status() == "revoked"


def test_refund_that_fails_later__counts_no_more_and_the_grant_is_back():
    buy = Purchase()
    refund = buy.refund()
    facts = [buy.paid(at=0), buy.charge_refunded(at=60), refund.told("succeeded", at=60)]
    assert told(*facts).status() == "revoked"
    state = told(*facts, refund.told("failed", at=600))
    assert state.status() == "active"
    assert state.verdict().active_from == when(600), "the current entitlement began when the refund failed"


def test_refund_that_is_canceled_later__counts_no_more_and_the_grant_is_back():
    buy = Purchase()
    refund = buy.refund()
    facts = [buy.paid(at=0), buy.charge_refunded(at=60), refund.told("requires_action", at=60)]
    assert told(*facts).status() == "revoked"
    assert told(*facts, refund.told("canceled", at=600)).status() == "active"


def test_one_of_two_refunds_fails__the_other_still_counts():
    buy = Purchase(amount=1000)
    first, second = buy.refund(400), buy.refund(600)
    facts = [
        buy.paid(at=0),
        first.told("succeeded", at=60),
        second.told("succeeded", at=120),
        buy.charge_refunded(at=120, amount=1000),
        second.told("failed", at=600),
    ]
    assert told(*facts[:4]).status() == "revoked"
    assert told(*facts).status() == "active"
    assert told(*facts, buy.refund(600).told("succeeded", at=900)).status() == "revoked"
