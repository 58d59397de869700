"""The precisions of CONTRACT 10 about the verdict, row by row; each row holds in every order of its facts."""

from __future__ import annotations

import pytest

from atlas_contracts.billing import Provider, Via
from entitlements.domain.policy import Policy
from support.facts import Purchase, grant, revoke, when
from support.folding import Fold, told

SUSPENDING = Policy(suspend_on_dispute=True)


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
