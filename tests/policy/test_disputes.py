"""The policy table (CONTRACT 5): disputes. Each row holds in every order of its facts."""

from __future__ import annotations

import pytest

from entitlements.domain.policy import Policy
from support.facts import Purchase, when
from support.folding import told

SUSPENDING = Policy(suspend_on_dispute=True)


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
