"""Which payment a fact belongs to, and whom it changes something for."""

from __future__ import annotations

from atlas_contracts.billing import Provider
from entitlements.domain.policy import Policy
from entitlements.domain.projection import Projection
from support.facts import Purchase, grant
from support.folding import Fold, told


def test_payments_that_turn_out_to_be_one_become_one_and_the_oldest_remains():
    buy = Purchase()
    fold = Fold()
    fold.hear(buy.dispute(payment_intent=False).told("lost", at=60))  # knows the charge only
    fold.hear(buy.paid(at=0))  # knows session and payment intent only
    assert len(fold.projection.payments) == 2
    assert fold.status() == "active"
    changes = fold.hear(buy.charge_read(at=90))  # ties them
    assert len(fold.projection.payments) == 1
    assert fold.projection.absorbed == {2: 1}
    assert {fold.projection.surviving(i) for i in fold.projection.payment_of_fact.values()} == {1}
    assert [change.after.verdict.status for change in changes] == ["revoked"]


def test_many_payments_become_one_by_one_fact():
    buy = Purchase()
    by_charge = buy.dispute(payment_intent=False)
    by_intent = buy.refund(500, charge=False)
    facts = [
        by_charge.told("won", at=60), by_intent.told("succeeded", at=50), buy.recorded(), buy.paid(at=0),
        buy.refund(499, payment_intent=False).told("succeeded", at=70), buy.charge_read(at=90),
    ]  # fmt: skip
    state = told(*facts)
    assert len(state.projection.payments) == 1
    assert state.status() == "revoked"


def test_a_customer_ties_nothing():
    first, second = Purchase("ada"), Purchase("ada")
    assert len(told(first.paid(at=0), second.paid(at=0)).projection.payments) == 2


def test_sources_do_not_mix_though_their_ids_be_the_same():
    buy = Purchase("ada")
    (elsewhere,) = buy.at_store(Provider.IOS_IAP, buy.charge_refunded(at=60))
    assert told(buy.paid(at=0), elsewhere).status() == "active"


def test_a_fact_about_no_payment_changes_nothing():
    fold = Fold()
    fact = Purchase().paid(at=0).entry.fact(1, Purchase().paid(at=0).data.occurred_at)
    assert fold.projection.apply(fact._replace(refs=())) == []
    assert fold.projection.payments == {}


def test_one_fact_that_makes_two_users_lose_changes_both():
    ada, eve = Purchase("ada"), Purchase("eve")
    fold = Fold()
    fold.hear(ada.paid(at=0), eve.paid(at=0))
    tie = ada.charge_read(at=9).changed(refs=ada.charge_read(at=9).data.refs.model_copy(
        update={"checkout_session_id": eve.session_id}))  # fmt: skip
    changes = fold.hear(tie)
    assert [(change.after.user_id, change.after.verdict.status) for change in changes] == [
        ("ada", "revoked"),
        ("eve", "revoked"),
    ]


def test_a_record_that_comes_late_and_differs_takes_the_grant_back():
    buy = Purchase(amount=100)
    fold = Fold()
    fold.hear(buy.paid(at=0))
    assert fold.status() == "active"
    changes = fold.hear(buy.recorded(amount=999))
    assert [change.after.verdict.status for change in changes] == ["none"]
    assert fold.version() == 2


def test_each_change_names_the_fact_that_caused_it():
    buy = Purchase()
    fold = Fold()
    paid, refunded = buy.paid(at=0), buy.charge_refunded(at=60)
    (granted,) = fold.hear(paid)
    (revoked,) = fold.hear(refunded)
    assert (granted.after.caused_by, granted.after.reason) == (paid.data.event_id, "purchase")
    assert (revoked.after.caused_by, revoked.after.reason) == (refunded.data.event_id, "refunded")
    assert revoked.before == granted.after


def test_every_batch_is_folded_as_if_facts_came_one_by_one():
    """The live service loads what a batch touches; here everything: the changes are the same."""
    buy = Purchase()
    facts = [buy.paid(at=0), buy.charge_refunded(at=60), buy.refund().told("failed", at=90), grant("ada", 95)]
    together, single = Fold(), Fold()
    together.hear(*facts)
    for fact in facts:
        single.hear(fact)
    assert together.changes == single.changes


def test_a_rejected_payment_changes_nobody():
    fold = Fold()
    assert fold.hear(Purchase(session={"payment_link": "plink_1"}).paid(at=0)) == []
    assert fold.projection.entitlements == {}


def test_an_empty_projection_knows_nobody():
    assert Projection(Policy()).payments_for("ada") == []
