"""The verdict on one payment: whose it is, when it granted Pro, and why it stopped.

The verdict at any moment is a function of the facts dated up to that moment; replaying them in the provider's order
(``timeline``) gives the times during which the payment granted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeVar

from entitlements.domain.facts import CheckoutSession, Knowledge, RecordedSession
from entitlements.domain.policy import (
    Policy,
    RevokedBecause,
    is_free,
    is_known_status,
    is_somebodys_money,
    pays,
    why_not_ours,
    why_revoked,
)
from entitlements.domain.timeline import conditions

S = TypeVar("S", CheckoutSession, RecordedSession)
CONTRADICTING: Literal["contradicting_user"] = "contradicting_user"


@dataclass(frozen=True, slots=True)
class Interval:
    """A period in which a payment grants Pro. ``end`` is None while it lasts, and equals ``start`` for a payment that
    was already refunded or lost when it was paid, and so never granted.
    """

    start: datetime
    end: datetime | None = None
    because: RevokedBecause | Literal["contradicting_user", "ended_in_old_app"] | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A completed session whose money hasn't arrived: the payment is still processing, or it failed."""

    state: Literal["processing", "failed"]
    since: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """A payment that is paid and may not grant: a person has to decide about the money. ``users`` may be its buyer."""

    reason: str
    since: datetime
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PaymentVerdict:
    """What one payment means."""

    user_id: str | None
    intervals: tuple[Interval, ...] = ()
    unfinished: Unfinished | None = None
    rejected: str | None = None
    """Why the policy refuses the session behind this payment; None when it doesn't."""
    review: Review | None = None
    ended: str | None = None
    """Why a refused payment needs no review any more: ``refunded``, ``chargeback_lost`` …"""
    free: bool = False
    """A coupon made the session free, and the policy of this installation doesn't let free sessions grant."""
    held: tuple[tuple[str, tuple[Interval, ...]], ...] = ()
    """Users who had Pro through this payment, or may have had it, until another user was named as its buyer."""

    @property
    def grants(self) -> bool:
        return bool(self.intervals) and self.intervals[-1].end is None

    @property
    def others(self) -> frozenset[str]:
        """Users other than the owner who are affected by this payment."""
        reviewed = self.review.users if self.review else ()
        return frozenset((*reviewed, *(user for user, _ in self.held))) - {self.user_id}

    def intervals_of(self, user_id: str) -> tuple[Interval, ...]:
        """The periods in which this payment granted Pro to ``user_id``."""
        return self.intervals if user_id == self.user_id else dict(self.held).get(user_id, ())

    @property
    def because(self) -> str:
        """Why the payment grants or doesn't, in one stable word."""
        if self.intervals:
            return self.intervals[-1].because or "paid"
        if self.ended or self.rejected:
            return self.ended or self.rejected or ""
        if self.unfinished:
            return {"processing": "payment_pending", "failed": "payment_failed"}[self.unfinished.state]
        return "free_checkout" if self.free else "not_paid"


def judge(knowledge: Knowledge, provider: str, policy: Policy) -> PaymentVerdict:
    """The verdict on one payment, from everything known about it."""
    recorded = _recorded(knowledge)
    sessions = [s for s in _of(knowledge, CheckoutSession) if is_known_status(s)]
    refusals = [(s, why_not_ours(s, recorded.get(s.id), provider, policy)) for s in sessions]
    ours = [s for s, refusal in refusals if refusal is None]
    if len({s.user_id for s in ours}) > 1:  # the user whom the checkout service recorded keeps the payment
        ours = [s for s in ours if s.id in recorded] or ours
    if len({s.user_id for s in ours}) > 1:
        return _contradiction(knowledge, ours, policy)
    paying = [s for s in ours if pays(s, policy)]
    if paying:
        return PaymentVerdict(paying[0].user_id, tuple(_intervals(knowledge, paying, policy)))
    verdict = _unpaid(ours, recorded, min((refusal for _, refusal in refusals if refusal), default=None))
    refused = [(s, refusal) for s, refusal in refusals if refusal and is_somebodys_money(s, recorded.get(s.id))]
    return _refused(verdict, knowledge, refused, recorded, policy) if refused else verdict


def _unpaid(ours: list[CheckoutSession], recorded: dict[str, RecordedSession], refusal: str | None) -> PaymentVerdict:
    if not ours:
        return PaymentVerdict(min((r.user_id for r in recorded.values()), default=None), rejected=refusal)
    unfinished = _unfinished([s for s in ours if s.payment_status == "unpaid"])
    return PaymentVerdict(ours[0].user_id, unfinished=unfinished, free=any(map(is_free, ours)))


def _refused(
    verdict: PaymentVerdict,
    knowledge: Knowledge,
    refused: list[tuple[CheckoutSession, str]],
    recorded: dict[str, RecordedSession],
    policy: Policy,
) -> PaymentVerdict:
    """The verdict on a payment that is paid at Stripe and that the policy refuses.

    It is for review until a full refund, a lost dispute or an operator's revoke settles it.
    """
    sessions = [session for session, _ in refused]
    reason = min(reason for _, reason in refused)
    owners = {recorded[s.id].user_id for s in sessions if s.id in recorded}
    named = {s.user_id for s in sessions if s.user_id}
    user_id = verdict.user_id or min(owners or named)
    if ended := _ended(knowledge, sessions, policy):
        return replace(verdict, user_id=user_id, rejected=reason, ended=ended)
    review = Review(reason, _completed_at(sessions) or _paid_at(sessions), tuple(sorted(owners | named)))
    return replace(verdict, user_id=user_id, rejected=reason, review=review)


def _contradiction(knowledge: Knowledge, ours: list[CheckoutSession], policy: Policy) -> PaymentVerdict:
    """Two users are named as the buyer, and the checkout service recorded neither: the payment grants to none of them.

    The user named first had Pro until the second was named. Which of the two facts reached us first must not matter, so
    both get a revoked verdict: either of them may have been Pro here through this payment.
    """
    paying = [s for s in ours if pays(s, policy)]
    if not paying:
        return PaymentVerdict(None, rejected=CONTRADICTING)
    first: dict[str, tuple[datetime, str]] = {}
    for session in ours:
        assert session.user_id
        told = min(knowledge[session])
        first[session.user_id] = min(told, first.get(session.user_id, told))
    order = sorted(first, key=lambda user: (first[user], user))
    since = max(first[order[1]][0], _paid_at(paying))
    intervals = list(_intervals(knowledge, paying, policy))
    cut = [replace(i, end=since, because=CONTRADICTING) if i.end is None else i for i in intervals if i.start < since]
    nothing = (Interval(since, since, CONTRADICTING),)
    payers = {s.user_id for s in paying if s.user_id}
    held = tuple((user, tuple(cut) or nothing if user == order[0] else nothing) for user in sorted(payers))
    verdict = PaymentVerdict(None, rejected=CONTRADICTING, held=held)
    if ended := _ended(knowledge, paying, policy):
        return replace(verdict, ended=ended)
    users = tuple(sorted(first))
    return replace(verdict, review=Review(CONTRADICTING, _completed_at(paying) or _paid_at(paying), users))


def _ended(knowledge: Knowledge, paid: list[CheckoutSession], policy: Policy) -> str | None:
    """Why the money needs no review any more: it was given back, lost in a dispute, or revoked by an operator."""
    *_, (_, condition) = conditions(knowledge, _paid_at(paid))
    because = why_revoked(max(s.amount_total or 0 for s in paid), condition, policy)
    return None if because == "suspended_by_dispute" else because


def _recorded(knowledge: Knowledge) -> dict[str, RecordedSession]:
    """What the checkout service asked for, by session id.

    A session should never be recorded twice. If it is, the choice does not depend on which record came first.
    """
    told = _of(knowledge, RecordedSession)
    told.sort(key=lambda r: (r.id, r.user_id, r.amount, r.currency, r.offers), reverse=True)
    return {recorded.id: recorded for recorded in told}


def _of(knowledge: Knowledge, kind: type[S]) -> list[S]:
    return [snapshot for snapshot in knowledge if isinstance(snapshot, kind)]


def _paid_at(paying: list[CheckoutSession]) -> datetime:
    """The earliest time of payment. A time that an event states is preferred to one inferred from our own read."""
    told = [s for s in paying if not s.paid_at_inferred]
    return min(s.paid_at for s in told or paying if s.paid_at)


def _completed_at(sessions: list[CheckoutSession]) -> datetime | None:
    completed = [s for s in sessions if s.completed_at]
    told = [s for s in completed if not s.paid_at_inferred] or completed
    return min((s.completed_at for s in told if s.completed_at), default=None)


def _unfinished(sessions: list[CheckoutSession]) -> Unfinished | None:
    failed = [s.failed_at for s in sessions if s.failed_at]
    since = _completed_at(sessions) or min(failed, default=None)
    return Unfinished("failed" if failed else "processing", since) if since else None


def _intervals(knowledge: Knowledge, paying: list[CheckoutSession], policy: Policy) -> Iterator[Interval]:
    """The periods in which the payment granted; at least one, of length zero where it never granted."""
    amount = max(s.amount_total or 0 for s in paying)
    paid_at = _paid_at(paying)
    start: datetime | None = None
    seen_paid = False
    for at, condition in conditions(knowledge, paid_at):
        because = why_revoked(amount, condition, policy)
        if because is None:
            start = start or at
        elif start is not None or not seen_paid:
            yield Interval(start or at, at, because)
            start = None
        seen_paid = True
    if start is not None:
        yield Interval(start)
