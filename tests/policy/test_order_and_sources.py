"""The policy table (CONTRACT 5): several payments, other sources, and what arrives before its purchase."""

from __future__ import annotations

import pytest

from atlas_contracts.billing import Provider, Via
from support.facts import Purchase, grant, revoke, when
from support.folding import Fold, told

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
