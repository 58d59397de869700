"""A stateful search: hypothesis plays buyer, bank, operator and network against the fold.

What happened at Stripe and what has reached us are two things: events are delivered late, twice or never, until a
pull brings them all. At every step the projection equals a fresh fold of what was delivered, in another order, and the
oracle agrees with it.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from atlas_contracts.billing import Provider, Via
from entitlements.domain.policy import Policy
from support.facts import Dispute, Purchase, Refund, Told, grant, revoke
from support.folding import Fold
from support.histories import USERS, check_against_oracle, check_versions
from support.imported import imported

LONG = bool(os.environ.get("ATLAS_LONG"))
users = st.sampled_from(USERS)


class Life(RuleBasedStateMachine):
    paid = Bundle("paid")
    pending = Bundle("pending")
    refunds = Bundle("refunds")
    disputes = Bundle("disputes")
    known = Bundle("known")

    @initialize(suspend=st.booleans(), free=st.booleans())
    def begin(self, suspend, free):
        self.policy = Policy(suspend_on_dispute=suspend, grant_free_checkouts=free)
        self.fold = Fold(self.policy)
        self.at_stripe: list[Told] = []
        self.delivered: list[Told] = []
        self.clock = 0
        self.given_back: dict[int, int] = {}
        self.last: dict[str, str] = {}

    def happens(self, fact: Told, arrives: bool) -> None:
        self.at_stripe.append(fact)
        if arrives:
            self.deliver(fact)

    def deliver(self, fact: Told) -> None:
        self.delivered.append(fact)
        self.fold.hear(fact)

    @rule(seconds=st.integers(1, 3))
    def time_passes(self, seconds):
        self.clock += seconds

    @rule(target=paid, user=users, arrives=st.booleans(), recorded=st.booleans())
    def buys(self, user, arrives, recorded):
        buy = Purchase(user, amount=1000)
        if recorded:
            self.happens(buy.recorded(at=self.clock), arrives=True)
        self.happens(buy.paid(at=self.clock), arrives)
        return buy

    @rule(target=pending, user=users, arrives=st.booleans())
    def buys_by_bank(self, user, arrives):
        buy = Purchase(user, amount=1000)
        self.happens(buy.pending(at=self.clock), arrives)
        return buy

    @rule(target=paid, buy=consumes(pending), arrives=st.booleans())
    def bank_pays(self, buy, arrives):
        self.happens(buy.settled(at=self.clock), arrives)
        return buy

    @rule(buy=consumes(pending), arrives=st.booleans())
    def bank_refuses(self, buy, arrives):
        self.happens(buy.bounced(at=self.clock), arrives)

    @rule(target=refunds, buy=paid, part=st.sampled_from((250, 500, 1000)), arrives=st.booleans(), also=st.booleans())
    def refund(self, buy, part, arrives, also):
        left = 1000 - self.given_back.get(buy.number, 0)
        part = min(part, left)
        if not part:
            return multiple()
        self.given_back[buy.number] = 1000 - left + part
        refund = buy.refund(part)
        self.happens(refund.told("succeeded", at=self.clock, event_type="refund.created"), arrives)
        self.happens(buy.charge_refunded(at=self.clock, amount=1000 - left + part), also)
        return refund

    @rule(refund=consumes(refunds), arrives=st.booleans())
    def refund_bounces(self, refund: Refund, arrives):
        self.given_back[refund.purchase.number] -= refund.amount
        self.happens(refund.told("failed", at=self.clock), arrives)

    @rule(target=disputes, buy=paid, status=st.sampled_from(("needs_response", "warning_needs_response")),
          arrives=st.booleans(), tied=st.booleans())  # fmt: skip
    def dispute(self, buy, status, arrives, tied):
        dispute = buy.dispute(payment_intent=tied)
        self.happens(dispute.told(status, at=self.clock, event_type="charge.dispute.created"), arrives)
        return dispute

    @rule(dispute=disputes, status=st.sampled_from(("under_review", "won", "lost", "appeal_under_review", "warning_closed")),
          arrives=st.booleans())  # fmt: skip
    def dispute_moves(self, dispute: Dispute, status, arrives):
        key = f"{dispute.id}:{status}"
        if key not in self.last:  # a status comes once in a dispute's life
            self.last[key] = status
            self.happens(dispute.told(status, at=self.clock), arrives)

    @rule(buy=paid)
    def restore_or_confirm(self, buy):
        for fact in (
            buy.read(at=self.clock, via=Via.RESTORE),
            buy.charge_read(at=self.clock, refunded=self.given_back.get(buy.number, 0)),
        ):
            self.happens(fact, arrives=True)

    @rule(user=users, grants=st.booleans())
    def operator_adjusts(self, user, grants):
        self.happens((grant if grants else revoke)(user, at=self.clock), arrives=True)

    @rule(user=users, ago=st.integers(0, 8), lasts=st.one_of(st.none(), st.integers(0, 8)),
          source=st.sampled_from((Provider.MANUAL, Provider.IOS_IAP, Provider.ANDROID_IAP)), arrives=st.booleans())  # fmt: skip
    def another_app_says_of_its_grant(self, user, ago, lasts, source, arrives):
        began = self.clock - ago
        ended = None if lasts is None else min(began + lasts, self.clock)
        self.happens(imported(user, began, ended, as_of=self.clock, source=source), arrives)

    @rule(chance=st.randoms(use_true_random=False))
    def webhook_comes_late_or_twice(self, chance: Random):
        if self.at_stripe:
            self.deliver(chance.choice(self.at_stripe))

    @rule(chance=st.randoms(use_true_random=False))
    def pull(self, chance: Random):
        for fact in chance.sample(self.at_stripe, len(self.at_stripe)):
            self.deliver(fact.through(Via.PULL))
        check_against_oracle(self.fold, self.at_stripe, self.policy)

    @invariant()
    def another_order_would_have_ended_in_the_same(self):
        if not hasattr(self, "fold"):
            return
        other = Fold(self.policy)
        other.hear(*reversed(self.delivered))
        assert other.state() == self.fold.state()
        check_versions(self.fold)

    @invariant()
    def the_oracle_agrees(self):
        if hasattr(self, "fold"):
            check_against_oracle(self.fold, self.delivered, self.policy)

    def teardown(self):
        if hasattr(self, "fold"):
            self.pull(Random(len(self.at_stripe)))
            fresh = Fold(self.policy)
            fresh.hear(*self.at_stripe)
            assert fresh.state() == self.fold.state()


Life.TestCase.settings = settings(
    max_examples=500 if LONG else 20, stateful_step_count=40 if LONG else 20, deadline=None
)
TestLife = pytest.mark.timeout(0 if LONG else 180)(Life.TestCase)
