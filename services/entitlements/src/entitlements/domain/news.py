"""Whether a fact says something that isn't known yet.

Who reads a payment at Stripe again (backfill, import) tells it under another id and at another time than the webhook
that told it first. So what is compared is what the knowledge says: how each object stands now, which payment it is of,
and the verdict; neither ids of events nor times of telling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from entitlements.domain.facts import (
    Charge,
    CheckoutSession,
    Dispute,
    Fact,
    ImportedGrant,
    Knowledge,
    Refund,
    Snapshot,
    merge,
)
from entitlements.domain.payment import PaymentVerdict, judge
from entitlements.domain.policy import Policy, is_known_status, rank
from entitlements.domain.projection import Payment
from entitlements.domain.timeline import conditions
from entitlements.domain.verdict import last_imported

NAMING = ("payment_intent", "checkout_session")
"""Ids by which a payment is called. That a further charge, refund or dispute is its own follows from what is told."""
ALWAYS = datetime.min.replace(tzinfo=UTC)

SnapshotT = TypeVar("SnapshotT", Charge, Dispute, Refund)


def is_news(fact: Fact, same: Sequence[Payment], policy: Policy) -> bool:
    """Whether the fact says more than is known about ``same``, the payments that its ids name.

    The fact of a payment that isn't known is news, and so is one that makes two payments one.
    """
    if len(same) != 1:
        return bool(fact.refs)
    payment = same[0]
    if any(ref not in payment.refs for ref in fact.refs if ref.split(":", 2)[1] in NAMING):
        return True
    if any(_says_more(snapshot, payment.knowledge) for snapshot in fact.snapshots):
        return True
    if payment.provider == "manual":
        return False
    with_it = merge((payment.knowledge, fact.knowledge()))
    return _gist(judge(with_it, payment.provider, policy)) != _gist(judge(payment.knowledge, payment.provider, policy))


def _gist(verdict: PaymentVerdict) -> tuple[object, ...]:
    """What a verdict says beside its times, which a read only infers."""
    review, unfinished = verdict.review, verdict.unfinished
    return (
        verdict.user_id, verdict.others, verdict.grants, verdict.because, verdict.rejected, verdict.ended, verdict.free,
        review and (review.reason, review.users), unfinished and unfinished.state,
    )  # fmt: skip


def _says_more(snapshot: Snapshot, knowledge: Knowledge) -> bool:
    match snapshot:
        case CheckoutSession():
            return all(_outline(snapshot) != _outline(s) for s in knowledge if isinstance(s, CheckoutSession))
        case Charge(amount_refunded=refunded):
            latest = _latest(snapshot, knowledge)
            return (latest is None or latest.amount_refunded != refunded) and refunded != _given_back(knowledge)
        case Refund(amount=amount, status=status):
            known = _latest(snapshot, knowledge)
            return known is None or (known.amount, known.status) != (amount, status)
        case Dispute(status=status):
            dispute = _latest(snapshot, knowledge)
            return dispute is None or dispute.status != status
        case ImportedGrant():
            return _says(last_imported(merge((knowledge, {snapshot: frozenset()})))) != _says(last_imported(knowledge))
        case _:
            return snapshot not in knowledge


def _says(grant: ImportedGrant | None) -> tuple[object, ...] | None:
    """What a grant says beside when it was said: the other app touches its rows without changing what they mean."""
    return None if grant is None else (grant.source, grant.active_from, grant.active_until)


def _outline(session: CheckoutSession) -> tuple[object, ...]:
    """What a session says beside its times: an event tells when it was paid, a read infers that."""
    return (
        session.id, session.payment_status, session.mode, session.amount_subtotal, session.amount_total,
        session.currency, session.livemode, session.payment_link, session.product_key, session.user_id,
        session.paid_at is not None, session.failed_at is not None,
    )  # fmt: skip


def _given_back(knowledge: Knowledge) -> int:
    """What was given back of the payment by all that is known, in minor units."""
    *_, (_, condition) = conditions(knowledge, ALWAYS)
    return condition.amount_refunded


def _latest(like: SnapshotT, knowledge: Knowledge) -> SnapshotT | None:
    """How the same object stood when it was last told."""
    told = list(_told(like, knowledge))
    return max(told, key=lambda entry: entry[0])[1] if told else None


def _told(like: SnapshotT, knowledge: Knowledge) -> Iterator[tuple[tuple[datetime, int, str], SnapshotT]]:
    for snapshot, tellings in knowledge.items():
        if isinstance(snapshot, type(like)) and snapshot.id == like.id:
            last = max(tellings)
            yield (last.at, rank(snapshot) if is_known_status(snapshot) else -1, last.event_id), snapshot
