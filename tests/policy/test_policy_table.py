"""The policy table (CONTRACT 5), row by row: the names read like the table.

Whose session it is, is in ``test_ownership``; the fine print is in ``test_precisions``. ``told`` folds the facts in every order and fails when two orders differ: each row holds whatever comes first.
"""

from __future__ import annotations

import pytest

from atlas_contracts.billing import Provider, Via
from entitlements.domain.policy import Policy
from support.facts import Fold, Purchase, grant, revoke, told, when

SUSPENDING = Policy(suspend_on_dispute=True)


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


# --- Disputes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["warning_needs_response", "warning_under_review", "warning_closed"])
def test_dispute_inquiry__keeps(status):
    buy = Purchase()
    assert told(buy.paid(at=0), buy.dispute().told(status, at=60)).status() == "active"
    assert told(buy.paid(at=0), buy.dispute().told(status, at=60), policy=SUSPENDING).status() == "active"


def test_dispute_prevented__keeps():
    buy = Purchase()
    assert told(buy.paid(at=0), buy.dispute().told("prevented", at=60)).status() == "active"
    assert told(buy.paid(at=0), buy.dispute().told("prevented", at=60), policy=SUSPENDING).status() == "active"


OPEN = ["needs_response", "under_review", "appeal_needs_response", "appeal_under_review"]


@pytest.mark.parametrize("status", OPEN)
def test_dispute_open__keeps(status):
    buy = Purchase()
    assert told(buy.paid(at=0), buy.dispute().told(status, at=60)).status() == "active"


@pytest.mark.parametrize("status", OPEN)
def test_dispute_open__with_suspend_on_dispute__suspends(status):
    buy = Purchase()
    state = told(buy.paid(at=0), buy.dispute().told(status, at=60), policy=SUSPENDING)
    assert (state.status(), state.reason()) == ("revoked", "suspended_by_dispute")


def test_dispute_suspended_and_then_won__restores_from_then_on():
    buy = Purchase()
    dispute = buy.dispute()
    state = told(buy.paid(at=0), dispute.told("needs_response", at=60), dispute.told("won", at=600), policy=SUSPENDING)
    assert state.status() == "active"
    assert state.verdict().active_from == when(600)


def test_dispute_lost__revokes():
    buy = Purchase()
    dispute = buy.dispute()
    state = told(buy.paid(at=0), dispute.told("needs_response", at=60), dispute.told("lost", at=600))
    assert (state.status(), state.reason()) == ("revoked", "chargeback_lost")
    assert state.verdict().active_until == when(600)


def test_dispute_won__keeps():
    buy = Purchase()
    dispute = buy.dispute()
    state = told(buy.paid(at=0), dispute.told("needs_response", at=60), dispute.told("won", at=600))
    assert state.status() == "active"
    assert state.verdict().active_from == when(0)


def test_dispute_lost_appealed_and_won__restores():
    buy = Purchase()
    dispute = buy.dispute()
    facts = [buy.paid(at=0), dispute.told("lost", at=60), dispute.told("appeal_under_review", at=120)]
    state = told(*facts, dispute.told("won", at=600))
    assert state.status() == "active"


def test_dispute_won__unless_the_payment_is_fully_refunded():
    buy = Purchase()
    dispute = buy.dispute()
    state = told(
        buy.paid(at=0), dispute.told("needs_response", at=60), buy.charge_refunded(at=90), dispute.told("won", at=600)
    )
    assert (state.status(), state.reason()) == ("revoked", "refunded")


def test_one_of_two_disputes_lost__revokes():
    buy = Purchase()
    state = told(buy.paid(at=0), buy.dispute().told("won", at=600), buy.dispute().told("lost", at=60))
    assert state.status() == "revoked"


def test_dispute_funds_withdrawn_and_reinstated__follow_its_status():
    buy = Purchase()
    dispute = buy.dispute()
    facts = [
        buy.paid(at=0),
        dispute.told("needs_response", at=60, event_type="charge.dispute.created"),
        dispute.told("needs_response", at=60, event_type="charge.dispute.funds_withdrawn"),
        dispute.told("won", at=600, event_type="charge.dispute.closed"),
        dispute.told("won", at=601, event_type="charge.dispute.funds_reinstated"),
    ]
    assert told(*facts).status() == "active"


# --- Several payments and sources -------------------------------------------------------------------------------


def test_two_payments__pro_while_any_one_of_them_grants():
    first, second = Purchase("ada"), Purchase("ada")
    both = [first.paid(at=0), second.paid(at=60)]
    assert told(*both).status() == "active"
    assert told(*both, first.charge_refunded(at=120)).status() == "active"
    assert told(*both, second.charge_refunded(at=120)).status() == "active"
    assert told(*both, first.charge_refunded(at=120), second.charge_refunded(at=180)).status() == "revoked"


def test_two_payments__both_are_judged_so_that_the_second_can_be_reported():
    first, second = Purchase("ada"), Purchase("ada")
    state = told(first.paid(at=0), second.paid(at=60))
    assert state.judged(first).grants
    assert state.judged(second).grants


def test_manual_grant__is_a_source_of_its_own():
    state = told(grant("ada", at=0))
    assert (state.status(), state.verdict().source, state.reason()) == ("active", "manual", "operator")


def test_manual_revoke__ends_the_manual_grant():
    state = told(grant("ada", at=0, key="a"), revoke("ada", at=60, key="b"))
    assert (state.status(), state.reason()) == ("revoked", "revoked_by_operator")
    assert state.verdict().active_until == when(60)


def test_manual_revoke__does_not_take_a_purchase_away():
    assert told(Purchase("ada").paid(at=0), revoke("ada", at=60)).status() == "active"


def test_manual_grant__a_stripe_refund_never_revokes_it():
    buy = Purchase("ada")
    state = told(buy.paid(at=0), grant("ada", at=30), buy.charge_refunded(at=60))
    assert (state.status(), state.verdict().source) == ("active", "manual")
    assert state.verdict().active_from == when(0), "Pro without a break since the purchase"


@pytest.mark.parametrize("provider", [Provider.IOS_IAP, Provider.ANDROID_IAP])
def test_other_sources__are_folded_alike(provider):
    buy = Purchase("ada", session={"mode": "iap"})
    purchase, refund = buy.at_store(provider, buy.paid(at=0), buy.charge_refunded(at=60))
    state = told(purchase)
    assert (state.status(), state.verdict().source) == ("active", provider.value)
    assert told(purchase, refund).status() == "revoked"


# --- Order and ties ---------------------------------------------------------------------------------------------


def test_refund_before_its_purchase__is_kept_and_applied_when_the_purchase_arrives():
    buy = Purchase()
    fold = Fold()
    fold.hear(buy.charge_refunded(at=60))
    assert fold.status() == "none"
    fold.hear(buy.paid(at=0))
    assert (fold.status(), fold.reason()) == ("revoked", "refunded")


def test_dispute_before_its_purchase__is_kept_and_applied_when_the_purchase_arrives():
    buy = Purchase()
    fold = Fold()
    fold.hear(buy.dispute().told("lost", at=60))
    assert fold.status() == "none"
    fold.hear(buy.paid(at=0))
    assert (fold.status(), fold.reason()) == ("revoked", "chargeback_lost")


def test_charge_without_metadata__is_resolved_through_the_payment_intent():
    buy = Purchase()
    refunded = buy.charge_refunded(at=60)
    assert refunded.data.user_id is None
    assert told(buy.paid(at=0), refunded).status() == "revoked"


def test_refund_without_metadata__is_resolved_through_the_payment_intent():
    buy = Purchase()
    assert told(buy.paid(at=0), buy.refund(charge=False).told("succeeded", at=60)).status() == "revoked"


def test_dispute_without_metadata__is_resolved_through_the_payment_intent():
    buy = Purchase()
    assert told(buy.paid(at=0), buy.dispute().told("lost", at=60)).status() == "revoked"


def test_refund_without_payment_intent__is_resolved_through_any_fact_about_its_charge():
    buy = Purchase()
    facts = [buy.paid(at=0), buy.refund(payment_intent=False).told("succeeded", at=60)]
    assert told(*facts).status() == "active"
    assert told(*facts, buy.charge_read(at=90)).status() == "revoked"


def test_dispute_without_payment_intent__is_resolved_through_any_fact_about_its_charge():
    buy = Purchase()
    facts = [buy.paid(at=0), buy.dispute(payment_intent=False).told("lost", at=60)]
    assert told(*facts).status() == "active"
    assert told(*facts, buy.charge_refunded(at=30, amount=1)).status() == "revoked"
    assert told(*facts, buy.read(at=90, via=Via.RESTORE)).status() == "revoked"
