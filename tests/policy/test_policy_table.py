"""The policy table (CONTRACT 5, with the precisions of CONTRACT 10), row by row: the names read like the table.

``told`` folds the facts in every order and fails when two orders differ: each row holds whatever comes first.
"""

from __future__ import annotations

import pytest

from atlas_contracts.billing import Provider, Via
from atlas_contracts.stripe_objects import Unmappable
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


# --- Whose session it is ----------------------------------------------------------------------------------------


def refused(buy: Purchase, because: str, *more, policy: Policy | None = None, user: str = "ada") -> None:
    state = told(buy.paid(at=0), *more, policy=policy)
    assert state.status(user) == "none"
    assert state.judged(buy).rejected == because


def test_session_of_another_mode__does_not_grant():
    refused(Purchase(session={"mode": "subscription"}), "not_a_one_time_payment")


def test_session_made_by_a_payment_link__does_not_grant():
    refused(Purchase(session={"payment_link": "plink_1"}), "made_by_a_payment_link")


def test_session_of_the_other_livemode__does_not_grant():
    refused(Purchase(session={"livemode": True}), "other_livemode", policy=Policy(livemode=False))


def test_session_without_user_in_metadata__does_not_grant():
    refused(Purchase(session={"metadata": {"productKey": "pro_lifetime_v1"}}), "no_user_in_metadata")


def test_session_without_product_in_metadata__does_not_grant():
    refused(Purchase(session={"metadata": {"userId": "ada"}}), "other_product")


def test_session_of_another_product__does_not_grant():
    refused(Purchase(session={"metadata": {"userId": "ada", "productKey": "stickers"}}), "other_product")


def test_client_reference_id_alone__never_grants():
    buy = Purchase(session={"metadata": {}, "client_reference_id": "ada"})
    refused(buy, "no_user_in_metadata")


def test_client_reference_id_that_contradicts_the_metadata__parks_the_event():
    with pytest.raises(Unmappable) as refusal:
        Purchase("ada", session={"client_reference_id": "eve"}).paid(at=0)
    assert refusal.value.reason == "contradicting_user"


def test_recorded_session__with_everything_as_recorded__grants():
    buy = Purchase("ada")
    assert told(buy.recorded(), buy.paid(at=0)).status() == "active"


def test_recorded_session__of_another_user__does_not_grant():
    buy = Purchase("eve")
    state = told(buy.recorded(user="ada"), buy.paid(at=0))
    assert (state.status("eve"), state.status("ada")) == ("none", "none")
    assert state.judged(buy).rejected == "other_user_than_recorded"


def test_recorded_session__of_another_amount__does_not_grant():
    buy = Purchase("ada", amount=100)
    refused(buy, "other_amount_than_recorded", buy.recorded(amount=999))


def test_recorded_session__in_another_currency__does_not_grant():
    buy = Purchase("ada", session={"currency": "idr"})
    refused(buy, "other_currency_than_recorded", buy.recorded())


def test_recorded_session__made_free_by_a_coupon__is_judged_as_free():
    buy = Purchase("ada")
    assert told(buy.recorded(), buy.free(at=0), policy=Policy(grant_free_checkouts=True)).status() == "active"
    assert told(buy.recorded(), buy.free(at=0)).status() == "none"


def test_recorded_session__in_a_currency_of_its_own__grants():
    buy = Purchase("ada", session={"currency": "eur"})
    assert told(buy.recorded(currency="eur"), buy.paid(at=0)).status() == "active"


def test_unrecorded_session__its_amount_is_not_checked():
    assert told(Purchase(amount=1).paid(at=0)).status() == "active"


def test_unrecorded_session__in_another_currency__does_not_grant():
    refused(Purchase(session={"currency": "eur"}), "other_currency")
    assert told(Purchase(session={"currency": "eur"}).paid(at=0), policy=Policy(currency="eur")).status() == "active"


@pytest.mark.parametrize("amount", [0, None])
def test_unrecorded_session__without_an_amount_above_zero__does_not_grant(amount):
    refused(Purchase(session={"amount_total": amount}), "no_amount")


def test_unrecorded_session__with_require_known_session__does_not_grant():
    buy = Purchase()
    known_only = Policy(require_known_session=True)
    refused(buy, "unknown_session", policy=known_only)
    assert told(buy.recorded(), buy.paid(at=0), policy=known_only).status() == "active"


# --- Precisions -------------------------------------------------------------------------------------------------


def test_none__has_neither_source_nor_start():
    verdict = told(Purchase().pending(at=0)).verdict()
    assert (verdict.status, verdict.source, verdict.active_from) == ("none", None, None)


def test_revoked__keeps_source_and_start_of_the_entitlement_that_ended():
    buy = Purchase()
    verdict = told(buy.paid(at=5), buy.charge_refunded(at=60)).verdict()
    assert (verdict.status, verdict.source, verdict.active_from) == ("revoked", "stripe", when(5))


def test_paid_and_refunded_in_one_fold__is_revoked_never_none():
    buy = Purchase()
    fold = Fold()
    fold.hear(buy.charge_refunded(at=0), buy.paid(at=0))
    assert (fold.status(), fold.verdict().source, fold.verdict().active_from) == ("revoked", "stripe", when(0))


def test_several_grants__the_source_is_that_of_the_earliest_still_valid_one():
    buy = Purchase("ada")
    facts = [grant("ada", at=0, key="a"), buy.paid(at=60)]
    assert told(*facts).verdict().source == "manual"
    after = told(*facts, revoke("ada", at=120, key="b")).verdict()
    assert (after.source, after.active_from) == ("stripe", when(0)), "the unbroken time of being Pro began earlier"


def test_several_grants__a_tie_goes_stripe_then_ios_then_android_then_manual():
    ios, android = Purchase("ada"), Purchase("ada")
    (from_ios,) = ios.at_store(Provider.IOS_IAP, ios.paid(at=0))
    (from_android,) = android.at_store(Provider.ANDROID_IAP, android.paid(at=0))
    by_hand = grant("ada", at=0)
    assert told(by_hand, from_android).verdict().source == "android_iap"
    assert told(by_hand, from_android, from_ios).verdict().source == "ios_iap"
    assert told(by_hand, from_android, from_ios, Purchase("ada").paid(at=0)).verdict().source == "stripe"


def test_start__is_that_of_the_unbroken_time_of_being_pro():
    first, second = Purchase("ada"), Purchase("ada")
    touching = told(first.paid(at=0), first.charge_refunded(at=60), second.paid(at=60)).verdict()
    assert touching.active_from == when(0)
    broken = told(first.paid(at=0), first.charge_refunded(at=60), second.paid(at=61)).verdict()
    assert broken.active_from == when(61)


def test_updated_at__does_not_move_for_a_known_fact():
    buy = Purchase()
    fold = Fold()
    fold.hear(buy.paid(at=0, event_id="evt_once"))
    before = fold.projection.entitlements["ada"]
    assert fold.hear(buy.paid(at=0, event_id="evt_once")) == []
    assert fold.hear(buy.paid(at=0, event_id="evt_once").through(Via.PULL)) == []
    assert fold.projection.entitlements["ada"] == before


def test_version__grows_by_one_per_change_of_the_verdict_and_by_nothing_else():
    buy = Purchase()
    fold = Fold()
    versions = []
    for fact in (
        buy.recorded(),
        buy.paid(at=0),
        buy.paid(at=9),
        buy.dispute().told("won", at=20),
        buy.charge_refunded(at=60, amount=1),
        buy.charge_refunded(at=70),
        buy.refund().told("succeeded", at=70),
    ):
        fold.hear(fact)
        versions.append(fold.version())
    assert versions == [0, 1, 1, 1, 1, 2, 2]


DISPUTES_LOW_TO_HIGH = [
    "warning_needs_response", "warning_under_review", "warning_closed", "prevented", "needs_response", "under_review",
    "appeal_needs_response", "appeal_under_review", "won", "lost",
]  # fmt: skip


@pytest.mark.parametrize("higher", range(1, 10))
def test_same_second__the_dispute_status_of_higher_rank_holds(higher):
    low, high = DISPUTES_LOW_TO_HIGH[higher - 1], DISPUTES_LOW_TO_HIGH[higher]
    buy = Purchase()
    dispute = buy.dispute()
    alone = told(buy.paid(at=0), dispute.told(high, at=60), policy=SUSPENDING)
    for ids in (("evt_1", "evt_2"), ("evt_2", "evt_1")):
        both = told(
            buy.paid(at=0),
            dispute.told(low, at=60, event_id=ids[0]),
            dispute.told(high, at=60, event_id=ids[1]),
            policy=SUSPENDING,
        )
        assert both.verdict() == alone.verdict()


def test_same_second__of_refund_statuses_failed_beats_canceled_beats_succeeded_beats_requires_action_beats_pending():
    buy = Purchase()
    for low, high, status in (
        ("pending", "requires_action", "active"),
        ("requires_action", "succeeded", "revoked"),
        ("pending", "succeeded", "revoked"),
        ("succeeded", "canceled", "active"),
        ("succeeded", "failed", "active"),
    ):
        for ids in (("evt_1", "evt_2"), ("evt_2", "evt_1")):
            refund = buy.refund()
            facts = [refund.told(low, at=60, event_id=ids[0]), refund.told(high, at=60, event_id=ids[1])]
            assert told(buy.paid(at=0), *facts).status() == status, (low, high)


def test_same_second_and_status__the_greater_event_id_holds():
    buy = Purchase(amount=1000)
    less, more = buy.refund(999), buy.refund(1000)
    more.id = less.id
    facts = [less.told("succeeded", at=60, event_id="evt_1"), more.told("succeeded", at=60, event_id="evt_2")]
    assert told(buy.paid(at=0), *facts).status() == "revoked"
    facts = [less.told("succeeded", at=60, event_id="evt_2"), more.told("succeeded", at=60, event_id="evt_1")]
    assert told(buy.paid(at=0), *facts).status() == "active"


def test_later_status__holds_whatever_its_rank():
    buy = Purchase()
    dispute = buy.dispute()
    assert told(buy.paid(at=0), dispute.told("lost", at=60), dispute.told("won", at=61)).status() == "active"
    assert told(buy.paid(at=0), dispute.told("won", at=60), dispute.told("needs_response", at=61)).status() == "active"
    assert told(buy.paid(at=0), dispute.told("won", at=60), dispute.told("lost", at=61)).status() == "revoked"


def test_status_told_again_later__does_not_move_the_time_of_its_effect():
    buy = Purchase()
    dispute = buy.dispute()
    lost = [dispute.told("lost", at=at) for at in (60, 90, 600)]
    assert told(buy.paid(at=0), *lost).verdict().active_until == when(60)


def test_status_that_comes_back__holds_again():
    buy = Purchase()
    dispute = buy.dispute()
    facts = [buy.paid(at=0), dispute.told("lost", at=60), dispute.told("won", at=120), dispute.told("lost", at=180)]
    assert told(*facts).verdict().active_until == when(180)


@pytest.mark.parametrize("policy", [None, SUSPENDING])
def test_unknown_dispute_status__is_recorded_and_changes_nothing(policy):
    buy = Purchase()
    dispute = buy.dispute()
    novel = dispute.told("settled_by_oracle", at=90)
    assert told(buy.paid(at=0), novel, policy=policy).status() == "active"
    assert told(buy.paid(at=0), dispute.told("lost", at=60), novel, policy=policy).status() == "revoked"


def test_unknown_refund_status__is_recorded_and_changes_nothing():
    buy = Purchase()
    refund = buy.refund()
    novel = refund.told("in_orbit", at=90)
    assert told(buy.paid(at=0), novel).status() == "active"
    assert told(buy.paid(at=0), refund.told("succeeded", at=60), novel).status() == "revoked"


def test_unknown_payment_status__is_recorded_and_changes_nothing():
    buy = Purchase()
    novel = buy.completed("paid_in_shells", at=90)
    assert told(novel).status() == "none"
    assert told(buy.paid(at=0), novel).status() == "active"


# --- Doors ------------------------------------------------------------------------------------------------------


def test_webhook_pull_and_reads__any_of_them_grants():
    buy = Purchase()
    assert told(buy.paid(at=0)).status() == "active"
    assert told(buy.paid(at=0).through(Via.PULL)).status() == "active"
    assert told(buy.read(at=30, via=Via.CONFIRM)).status() == "active"
    assert told(buy.read(at=30, via=Via.RESTORE)).status() == "active"


def test_read_of_an_unpaid_session__does_not_grant():
    buy = Purchase()
    processing = told(buy.read(at=30, payment_status="unpaid", intent_status="processing"))
    assert (processing.status(), processing.judged(buy).unfinished.state) == ("none", "processing")
    failed = told(buy.read(at=30, payment_status="unpaid", intent_status="requires_payment_method"))
    assert (failed.status(), failed.judged(buy).unfinished.state) == ("none", "failed")


def test_the_time_that_an_event_tells__beats_the_time_inferred_from_a_read():
    buy = Purchase()
    assert told(buy.read(at=30)).verdict().active_from == when(1), "when the money moved"
    assert told(buy.read(at=30), buy.paid(at=0)).verdict().active_from == when(0)
    assert told(buy.read(at=30), buy.paid(at=5)).verdict().active_from == when(5)


def test_restore_after_a_refund__cannot_grant_again():
    buy = Purchase()
    facts = [buy.paid(at=0), buy.charge_refunded(at=60), buy.refund().told("succeeded", at=60)]
    read_again = [buy.read(at=900, via=Via.RESTORE), buy.charge_read(at=900, refunded=buy.amount)]
    assert told(*facts, *read_again).status() == "revoked"
    assert told(*facts, buy.read(at=900, via=Via.RESTORE)).status() == "revoked"


def test_restore_after_a_lost_dispute__cannot_grant_again():
    buy = Purchase()
    dispute = buy.dispute()
    facts = [buy.paid(at=0), dispute.told("lost", at=60)]
    assert told(*facts, buy.read(at=900, via=Via.RESTORE), dispute.read("lost", at=900)).status() == "revoked"
