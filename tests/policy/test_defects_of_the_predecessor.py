"""What went wrong in the system that this one replaces, once each: never again.

Every test here stands beside a sabotage that takes its protection out; ``test_…_is_what_protects`` shows that the
regression test fails then.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from atlas_contracts.billing import Via
from entitlements.domain import payment, projection, timeline
from entitlements.domain.facts import CheckoutSession, Stamp
from support.facts import Purchase
from support.folding import Fold


def heard(*facts) -> Fold:
    fold = Fold()
    fold.hear(*facts)
    return fold


def last_arrived_event_wins() -> None:
    """An old webhook that Stripe delivered late overwrote the newer state."""
    buy = Purchase()
    dispute = buy.dispute()
    fold = heard(buy.paid(at=0), dispute.told("lost", at=600), dispute.told("needs_response", at=60))
    assert fold.status() == "revoked"
    refund = buy.refund()
    fold = heard(buy.paid(at=0), refund.told("failed", at=600), refund.told("succeeded", at=60))
    assert fold.status() == "active"


def unpaid_session_grants() -> None:
    """checkout.session.completed granted even though a delayed payment hadn't arrived, and never did."""
    buy = Purchase()
    assert heard(buy.pending(at=0)).status() == "none"
    assert heard(buy.pending(at=0), buy.bounced(at=3600)).status() == "none"
    assert heard(Purchase().read(at=5, payment_status="unpaid", intent_status="processing")).status() == "none"


def partial_refund_revokes() -> None:
    """Any charge.refunded took Pro away, a dollar given back in kindness included."""
    buy = Purchase(amount=999)
    assert heard(buy.paid(at=0), buy.charge_refunded(at=60, amount=100)).status() == "active"
    assert heard(buy.paid(at=0), buy.refund(100).told("succeeded", at=60)).status() == "active"


def refunds_and_disputes_without_metadata_are_dropped() -> None:
    """Refunds, charges and disputes inherit no metadata from the session: their events named no user and were lost."""
    for make in (
        lambda buy: buy.charge_refunded(at=60),
        lambda buy: buy.refund().told("succeeded", at=60),
        lambda buy: buy.dispute().told("lost", at=60),
    ):
        buy = Purchase()
        fact = make(buy)
        assert fact.data.user_id is None
        assert heard(buy.paid(at=0), fact).status() == "revoked"
        assert heard(fact, buy.paid(at=0)).status() == "revoked"


def restore_grants_again_after_a_refund() -> None:
    """Restore saw a paid session and granted, whatever had become of the money."""
    buy = Purchase()
    refunded = [buy.paid(at=0), buy.charge_refunded(at=60)]
    assert heard(*refunded, buy.read(at=900, via=Via.RESTORE)).status() == "revoked"
    lost = [buy.paid(at=0), buy.dispute().told("lost", at=60)]
    assert heard(*lost, buy.read(at=900, via=Via.RESTORE)).status() == "revoked"


def cheap_payment_link_buys_pro() -> None:
    """Any paid session that named a user granted: a payment link for a dollar with ?client_reference_id= did."""
    by_link = Purchase(amount=100, session={"payment_link": "plink_1", "metadata": {}, "client_reference_id": "ada"})
    assert heard(by_link.paid(at=0)).status() == "none"
    dressed_up = Purchase(amount=100, session={"payment_link": "plink_1"})
    assert heard(dressed_up.paid(at=0)).status() == "none"
    cheap = Purchase(amount=100)
    assert heard(cheap.recorded(amount=999), cheap.paid(at=0)).status() == "none"


def by_arrival(knowledge, paid_at):
    """What reached us last holds, whenever it happened."""
    moved = {
        snapshot: frozenset({Stamp(paid_at + timedelta(seconds=number), "evt")})
        for number, snapshot in enumerate(knowledge, start=1)
    }
    return timeline.conditions(moved, paid_at)


def take_out_the_order_of_provider_time(monkeypatch):
    monkeypatch.setattr(payment, "conditions", by_arrival)


def take_out_the_look_at_payment_status(monkeypatch):
    monkeypatch.setattr(payment, "pays", lambda session, policy: True)
    monkeypatch.setattr(payment, "_paid_at", lambda paying: min(s.paid_at or s.completed_at for s in paying))


def take_out_the_amount(monkeypatch):
    def revoked(amount, standing, policy):
        return "refunded" if standing.amount_refunded else None

    monkeypatch.setattr(payment, "why_revoked", revoked)


def take_out_the_ties(monkeypatch):
    apply = projection.Projection.apply
    monkeypatch.setattr(projection.Projection, "apply", lambda self, fact: apply(self, fact) if fact.user_id else [])


def take_out_the_memory_of_restore(monkeypatch):
    real = payment.judge

    def judge(knowledge, provider, policy):
        if any(isinstance(s, CheckoutSession) and s.paid_at_inferred for s in knowledge):
            knowledge = {s: span for s, span in knowledge.items() if isinstance(s, CheckoutSession)}
        return real(knowledge, provider, policy)

    monkeypatch.setattr(projection, "judge", judge)


def take_out_the_ownership_rules(monkeypatch):
    monkeypatch.setattr(payment, "why_not_ours", lambda *args: None if args[0].user_id else "no_user_in_metadata")


DEFECTS = [
    (last_arrived_event_wins, take_out_the_order_of_provider_time),
    (unpaid_session_grants, take_out_the_look_at_payment_status),
    (partial_refund_revokes, take_out_the_amount),
    (refunds_and_disputes_without_metadata_are_dropped, take_out_the_ties),
    (restore_grants_again_after_a_refund, take_out_the_memory_of_restore),
    (cheap_payment_link_buys_pro, take_out_the_ownership_rules),
]


@pytest.mark.parametrize("defect", [defect for defect, _ in DEFECTS], ids=lambda defect: defect.__name__)
def test_a_defect_of_the_predecessor_does_not_come_back(defect):
    defect()


@pytest.mark.parametrize(("defect", "sabotage"), DEFECTS, ids=lambda either: either.__name__)
def test_the_protection_is_what_protects(defect, sabotage, monkeypatch):
    sabotage(monkeypatch)
    with pytest.raises(AssertionError):
        defect()
