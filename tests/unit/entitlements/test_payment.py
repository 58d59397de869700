"""Judging one payment: its times of granting, whatever odd facts there are about it."""

from __future__ import annotations

import pytest

from atlas_contracts.billing import Via
from entitlements.domain.facts import Charge, CheckoutSession, RecordedSession, Refund, Stamp, merge
from entitlements.domain.payment import Interval, judge
from entitlements.domain.policy import Policy
from support.facts import Purchase, when
from support.folding import Fold, facts_of, told


def judged(*facts, policy: Policy | None = None):
    return judge(merge(fact.knowledge() for fact in facts_of(facts)), "stripe", policy or Policy())


def test_nothing_known_is_nobodys_payment():
    verdict = judge({}, "stripe", Policy())
    assert (verdict.user_id, verdict.grants, verdict.because) == (None, False, "not_paid")


def test_the_times_of_granting_follow_the_provider_s_time():
    buy = Purchase()
    refund, dispute = buy.refund(), buy.dispute()
    facts = [
        buy.paid(at=0),
        refund.told("succeeded", at=10),
        refund.told("failed", at=20),
        dispute.told("lost", at=30),
        dispute.told("won", at=40),
    ]
    assert judged(*facts).intervals == (
        Interval(when(0), when(10), "refunded"),
        Interval(when(20), when(30), "chargeback_lost"),
        Interval(when(40)),
    )


def test_paid_and_refunded_in_the_same_second_grants_for_no_time():
    buy = Purchase()
    assert judged(buy.paid(at=5), buy.charge_refunded(at=5)).intervals == (Interval(when(5), when(5), "refunded"),)


def test_a_refund_dated_before_the_payment_counts_from_the_payment_on():
    buy = Purchase()
    assert judged(buy.paid(at=5), buy.charge_refunded(at=1)).intervals == (Interval(when(5), when(5), "refunded"),)


def test_refunded_and_lost_in_one_second_names_the_refund_whatever_came_first():
    buy = Purchase()
    state = told(buy.paid(at=0), buy.dispute().told("lost", at=60), buy.charge_refunded(at=60))
    assert state.reason() == "refunded"
    fold = Fold()
    fold.hear(buy.paid(at=0), buy.dispute().told("lost", at=60))
    assert (fold.reason(), fold.version()) == ("chargeback_lost", 2)
    fold.hear(buy.charge_refunded(at=60))
    assert (fold.reason(), fold.version()) == ("refunded", 2), "the reason is put right, the verdict is the same"


def test_a_failed_refund_that_was_never_counted_takes_nothing_off():
    buy = Purchase(amount=1000)
    facts = [buy.paid(at=0), buy.refund(400).told("failed", at=10), buy.refund(1000).told("succeeded", at=20)]
    assert judged(*facts).because == "refunded"


def test_a_partial_refund_beside_a_failed_full_one_keeps():
    buy = Purchase(amount=1000)
    full, part = buy.refund(1000), buy.refund(100)
    facts = [
        buy.paid(at=0), full.told("succeeded", at=10), buy.charge_refunded(at=10),
        full.told("failed", at=20), part.told("succeeded", at=30), buy.charge_refunded(at=30, amount=100),
    ]  # fmt: skip
    assert told(*facts).status() == "active"


def test_a_charge_amount_never_shrinks_however_it_is_told():
    buy = Purchase(amount=1000)
    facts = [buy.paid(at=0), buy.charge_refunded(at=10, amount=1000), buy.charge_read(at=20, refunded=400)]
    assert told(*facts).status() == "revoked"


def test_a_won_dispute_of_an_unpaid_session_grants_nothing():
    buy = Purchase()
    assert told(buy.pending(at=0), buy.dispute().told("won", at=60)).status() == "none"


def test_failed_then_paid_counts_as_paid_in_every_order():
    buy = Purchase()
    assert told(buy.pending(at=0), buy.bounced(at=10), buy.settled(at=20)).status() == "active"


def test_a_payment_with_two_sessions_of_different_users_is_nobody_s():
    first, second = Purchase("ada"), Purchase("eve")
    second_told = second.paid(at=1, payment_intent=first.intent)
    state = told(first.paid(at=0), second_told)
    assert (state.status("ada"), state.status("eve")) == ("revoked", "revoked")
    assert state.judged(first).rejected == "contradicting_user"


def test_a_session_recorded_twice_is_judged_by_the_same_record_in_every_order():
    buy = Purchase(amount=100)
    again = buy.recorded(amount=999)
    again = again.changed(provider_event_id="initiated:again", event_id="stripe:initiated:again:purchase_initiated")
    assert told(buy.recorded(amount=100), again, buy.paid(at=0)).status() == "active"


def test_a_read_in_which_the_money_hasn_t_moved_dates_the_payment_by_its_charge():
    buy = Purchase()
    session = buy.read(at=30, via=Via.RESTORE).data.checkout_session
    assert session.paid_at == when(1)
    assert session.completed_at == when(0)
    assert session.paid_at_inferred


def test_an_older_read_and_a_newer_one_agree():
    buy = Purchase()
    assert told(buy.read(at=30), buy.read(at=90)).version() == 1


@pytest.mark.parametrize("amount", [1, 999])
def test_a_refund_of_more_than_was_paid_revokes(amount):
    buy = Purchase(amount=amount)
    assert told(buy.paid(at=0), buy.refund(amount + 1).told("succeeded", at=1)).status() == "revoked"


def test_two_charges_of_one_payment_add_up():
    session = CheckoutSession(
        "cs", "paid", "payment", 1000, "usd", False, False, "pro_lifetime_v1", "ada", paid_at=when(0)
    )
    span = frozenset({Stamp(when(0), "e")})
    later = frozenset({Stamp(when(9), "f")})
    knowledge = {session: span, Charge("ch_1", 500, 500): later, Charge("ch_2", 500, 500): later}
    assert judge(knowledge, "stripe", Policy()).because == "refunded"


def test_a_record_alone_says_whose_the_payment_will_be():
    span = frozenset({Stamp(when(0), "e")})
    assert judge({RecordedSession("cs", "ada", 999, "usd"): span}, "stripe", Policy()).user_id == "ada"
    assert judge({Refund("re", 999, "succeeded"): span}, "stripe", Policy()).user_id is None


def test_a_time_of_payment_without_a_paid_status_does_not_grant():
    span = frozenset({Stamp(when(0), "e")})
    odd = CheckoutSession("cs", "unpaid", "payment", 999, "usd", False, False, "pro_lifetime_v1", "ada", paid_at=when(0))
    assert not judge({odd: span}, "stripe", Policy()).intervals


def test_reading_a_failed_payment_again_and_again_teaches_nothing_new():
    buy = Purchase()
    reads = [buy.read(at=at, payment_status="unpaid", intent_status="requires_payment_method") for at in (30, 60, 90)]
    (payment,) = told(*reads).projection.payments.values()
    assert len(payment.knowledge) == 1
