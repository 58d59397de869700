"""Which facts of a payment that was read again say something that isn't known: ``domain/news.py``.

Known is told by webhooks, asked is told by reads: other ids, other times, other hashes.
"""

from __future__ import annotations

import pytest

from entitlements.domain.news import is_news
from entitlements.domain.policy import Policy
from support.facts import Purchase, Told
from support.folding import Fold

LATER = 10**6


def news(known: list[Told], asked: Told) -> bool:
    fold = Fold()
    fold.hear(*known)
    fact = asked.entry.fact(0, asked.data.received_at)
    return is_news(fact, fold.projection.spoken_of(fact), Policy())


def stories():
    """What webhooks told, and what a read says of the same state."""
    paid = Purchase("ada")
    yield "paid", [paid.paid(at=0)], [paid.read(LATER), paid.charge_read(LATER)]
    pending = Purchase("ada")
    yield "pending", [pending.pending(at=0)], [pending.read(LATER, "unpaid", intent_status="processing")]
    settled = Purchase("ada")
    yield "settled", [settled.pending(at=0), settled.settled(at=60)], [settled.read(LATER), settled.charge_read(LATER)]
    failed = Purchase("ada")
    yield (
        "failed",
        [failed.pending(at=0), failed.bounced(at=60)],
        [failed.read(LATER, "unpaid", intent_status="requires_payment_method")],
    )
    refunded = Purchase("ada")
    refund = refunded.refund()
    yield (
        "refunded",
        [refunded.paid(at=0), refund.told("succeeded", at=60), refunded.charge_refunded(at=60)],
        [refunded.read(LATER), refund.read("succeeded", LATER), refunded.charge_read(LATER, refunded.amount)],
    )
    partly = Purchase("ada")
    part = partly.refund(100)
    yield (
        "refunded in part",
        [partly.paid(at=0), part.told("succeeded", at=60), partly.charge_refunded(at=60, amount=100)],
        [partly.read(LATER), part.read("succeeded", LATER), partly.charge_read(LATER, 100)],
    )
    bounced = Purchase("ada")
    back = bounced.refund()
    yield (
        "refund that failed",
        [bounced.paid(at=0), back.told("succeeded", at=60), bounced.charge_refunded(at=60), back.told("failed", at=90)],
        [bounced.read(LATER), back.read("failed", LATER), bounced.charge_read(LATER, 0)],
    )
    disputed = Purchase("ada")
    dispute = disputed.dispute()
    yield (
        "dispute lost, won and lost again",
        [disputed.paid(at=0), *(dispute.told(status, at=at) for at, status in ((60, "lost"), (70, "won"), (80, "lost")))],
        [disputed.read(LATER), dispute.read("lost", LATER), disputed.charge_read(LATER)],
    )
    foreign = Purchase(None, session={"payment_link": "plink_1"})
    yield "a payment link's", [foreign.paid(at=0)], [foreign.read(LATER), foreign.charge_read(LATER)]


STORIES = list(stories())


@pytest.mark.parametrize(("told", "read"), [story[1:] for story in STORIES], ids=[story[0] for story in STORIES])
def test_what_webhooks_told_is_no_news_when_it_is_read(told, read):
    assert [news(told, one) for one in read] == [False] * len(read)


@pytest.mark.parametrize(("told", "read"), [story[1:] for story in STORIES], ids=[story[0] for story in STORIES])
def test_everything_is_news_of_a_payment_that_nobody_told_of_and_then_no_more(told, read):
    assert all(news([], one) for one in read)
    again = [one.changed(provider_event_id=f"again:{n}", event_id=f"stripe:again:{n}:x") for n, one in enumerate(read)]
    assert not any(news(read, one) for one in again)


@pytest.mark.parametrize("missing", ["refund", "dispute", "session", "failure"])
def test_what_one_lost_webhook_would_have_told_is_news(missing):
    buy = Purchase("ada")
    refund, dispute = buy.refund(), buy.dispute()
    told, asked = {
        "refund": ([buy.paid(at=0)], [refund.read("succeeded", LATER), buy.charge_read(LATER, buy.amount)]),
        "dispute": ([buy.paid(at=0), dispute.told("won", at=5)], [dispute.read("lost", LATER)]),
        "session": ([refund.told("succeeded", at=60)], [buy.read(LATER)]),
        "failure": ([buy.paid(at=0), buy.charge_refunded(at=9), refund.told("succeeded", at=9)], [refund.read("failed", LATER)]),
    }[missing]
    assert all(news(told, one) for one in asked)


def test_a_read_that_makes_two_payments_one_is_news():
    buy = Purchase("ada")
    orphan = buy.dispute(payment_intent=False).told("lost", at=5)
    assert news([buy.paid(at=0), orphan], buy.read(LATER))


def test_another_user_in_the_metadata_is_news():
    buy = Purchase("ada")
    other = Purchase("eve", number=buy.number)
    assert news([buy.paid(at=0)], other.read(LATER))
