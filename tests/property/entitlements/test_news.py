"""Telling only what is news gives everybody the verdict that all webhooks give, whenever it is told and whatever was lost.

Random payments live through refunds that may fail and disputes that move; webhooks tell each step, some are lost, and a
backfill reads the final state at any moment of their arrival.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from random import Random

from entitlements.domain.news import is_news
from entitlements.domain.policy import Policy
from support.facts import Purchase, Told
from support.folding import Fold
from support.histories import random_policy

HISTORIES = 5_000 if os.environ.get("ATLAS_LONG") else 120
SEED = int(os.environ.get("ATLAS_SEED", "20261126"))
READ_AT = 1_000
"""Seconds after the beginning: everything has happened by then."""
DISPUTES = ("warning_needs_response", "needs_response", "under_review", "won", "lost", "appeal_under_review")


@dataclass
class Life:
    """One payment: what webhooks told of it, step by step, and how it stands at Stripe in the end."""

    buy: Purchase
    webhooks: list[Told] = field(default_factory=list)
    refunds: list[tuple[object, str]] = field(default_factory=list)
    disputes: list[tuple[object, str]] = field(default_factory=list)
    refunded: int = 0
    settled: str = "paid"

    def reads(self, at: int) -> list[Told]:
        """What a backfill reads, the session last, as it is told."""
        told = [refund.read(status, at) for refund, status in self.refunds]
        told += [dispute.read(status, at) for dispute, status in self.disputes]
        if self.settled == "paid":
            return [*told, self.buy.charge_read(at, self.refunded), self.buy.read(at)]
        return [self.buy.read(at, "unpaid", intent_status={"pending": "processing", "failed": "requires_payment_method"}[self.settled])]


def random_life(chance: Random, user: str) -> Life:
    odd = chance.choice([{}] * 6 + [{"payment_link": "plink_1"}, {"currency": "eur"}])
    life = Life(Purchase(user, 1000, odd), settled=chance.choice(("paid", "paid", "paid", "pending", "failed")))
    at = chance.randrange(20)
    if life.settled == "paid" and chance.random() < 0.7:
        life.webhooks.append(life.buy.paid(at))
    else:
        life.webhooks.append(life.buy.pending(at))
        life.webhooks += {"paid": [life.buy.settled(at + 5)], "failed": [life.buy.bounced(at + 5)], "pending": []}[life.settled]
    if life.settled != "paid":
        return life
    for _ in range(chance.choice((0, 0, 1, 2))):
        at += chance.randrange(6, 30)
        amount = chance.choice((1000 - life.refunded, 300))
        if amount > 1000 - life.refunded or not amount:
            continue
        refund = life.buy.refund(amount)
        life.refunded += amount
        life.webhooks += [refund.told("succeeded", at), life.buy.charge_refunded(at, life.refunded)]
        status = "succeeded"
        if chance.random() < 0.4:
            at += chance.randrange(1, 30)
            life.refunded -= amount
            life.webhooks.append(refund.told("failed", at))
            status = "failed"
        life.refunds.append((refund, status))
    if chance.random() < 0.4:
        dispute = life.buy.dispute(payment_intent=chance.random() < 0.7)
        if not dispute.payment_intent:  # the service asks Stripe whose charge that is
            life.webhooks.append(life.buy.charge_read(at + 1, life.refunded))
            at += 1
        for status in chance.choices(DISPUTES, k=chance.randrange(1, 5)):
            at += chance.randrange(1, 30)
            life.webhooks.append(dispute.told(status, at))
            life.disputes = [(dispute, status)]
    return life


def tell_news(fold: Fold, lives: list[Life], at: int, policy: Policy) -> int:
    """Ask about all that a backfill reads, then tell what is news; how many facts that were."""
    news = []
    for life in lives:
        for told in life.reads(at):
            fact = told.entry.fact(0, told.data.received_at)
            if is_news(fact, fold.projection.spoken_of(fact), policy):
                news.append(told)
    fold.hear(*news)
    return len(news)


def test_a_backfill_at_any_moment_among_the_webhooks_ends_in_their_verdict_and_a_second_has_nothing_to_tell():
    for number in range(HISTORIES):
        chance = Random(f"{SEED}:{number}")
        policy = random_policy(chance)
        users = ("ada", "bob")[: chance.choice((1, 2))]
        lives = [random_life(chance, user) for user in users for _ in range(chance.choice((1, 1, 2)))]
        webhooks = [told for life in lives for told in life.webhooks]
        alone = Fold(policy)
        alone.hear(*webhooks)
        chance.shuffle(webhooks)
        cut = chance.randrange(len(webhooks) + 1)
        fold = Fold(policy)
        fold.hear(*webhooks[:cut])
        tell_news(fold, lives, READ_AT, policy)
        for user in users:
            assert (fold.is_pro(user), fold.status(user)) == (alone.is_pro(user), alone.status(user)), f"{SEED}:{number} {user}"
        fold.hear(*webhooks[cut:])
        assert tell_news(fold, lives, READ_AT + 1, policy) == 0, f"{SEED}:{number}: told twice"
        for user in users:
            assert fold.verdict(user) == alone.verdict(user), f"{SEED}:{number} {user}"


def test_after_all_webhooks_a_backfill_has_nothing_to_tell():
    for number in range(HISTORIES):
        chance = Random(f"{SEED}:all:{number}")
        policy = random_policy(chance)
        lives = [random_life(chance, "ada") for _ in range(2)]
        webhooks = [told for life in lives for told in life.webhooks]
        chance.shuffle(webhooks)
        fold = Fold(policy)
        fold.hear(*webhooks)
        assert tell_news(fold, lives, READ_AT, policy) == 0, f"{SEED}:all:{number}"


def test_whatever_webhooks_were_lost_the_verdict_is_that_of_all_of_them():
    told = 0
    for number in range(HISTORIES):
        chance = Random(f"{SEED}:lost:{number}")
        policy = random_policy(chance)
        lives = [random_life(chance, "ada") for _ in range(chance.choice((1, 2)))]
        alone, fold = Fold(policy), Fold(policy)
        webhooks = [one for life in lives for one in life.webhooks]
        alone.hear(*webhooks)
        fold.hear(*(one for one in webhooks if chance.random() < 0.5))
        told += tell_news(fold, lives, READ_AT, policy)
        assert (fold.is_pro(), fold.status()) == (alone.is_pro(), alone.status()), f"{SEED}:lost:{number}"
        assert tell_news(fold, lives, READ_AT + 1, policy) == 0, f"{SEED}:lost:{number}: told twice"
    assert told > HISTORIES, "hardly anything was lost: the test can't fail"


def test_a_payment_that_is_over_is_never_announced_as_begun():
    """Refunds and disputes are told before the session: whoever isn't Pro in the end never was on the way."""
    over = 0
    for number in range(HISTORIES):
        chance = Random(f"{SEED}:over:{number}")
        policy = random_policy(chance)
        life, fold = random_life(chance, "ada"), Fold(policy)
        tell_news(fold, [life], READ_AT, policy)
        if not fold.is_pro():
            over += fold.status() == "revoked"
            assert not any(change.after.verdict.is_pro for change in fold.changes), f"{SEED}:over:{number}"
        assert fold.version() <= 1, f"{SEED}:over:{number}"
    assert over > 5
