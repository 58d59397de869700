"""One payment's story: whose it is, when it granted, and why it stopped.

The verdict at any moment is a function of the facts dated up to that moment; replaying them in the provider's order
gives the times during which the payment granted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal, TypeVar

from entitlements.domain.facts import (
    Charge,
    CheckoutSession,
    Dispute,
    Knowledge,
    RecordedSession,
    Refund,
    Snapshot,
    Span,
    Stamp,
)
from entitlements.domain.policy import Policy, RevokedBecause, is_known_status, pays, rank, why_not_ours, why_revoked

S = TypeVar("S", CheckoutSession, RecordedSession)


@dataclass(frozen=True, slots=True)
class Interval:
    """A time of granting. ``end`` is None while it lasts; equal to ``start`` for a payment that never got to grant."""

    start: datetime
    end: datetime | None = None
    because: RevokedBecause | Literal["revoked_by_operator"] | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A completed session whose money isn't there: still processing, or failed."""

    state: Literal["processing", "failed"]
    since: datetime


@dataclass(frozen=True, slots=True)
class PaymentVerdict:
    """What one payment means."""

    user_id: str | None
    intervals: tuple[Interval, ...] = ()
    unfinished: Unfinished | None = None
    rejected: str | None = None
    """Why the session behind this payment isn't ours, when it isn't."""

    @property
    def grants(self) -> bool:
        return bool(self.intervals) and self.intervals[-1].end is None

    @property
    def because(self) -> str:
        """Why it grants or doesn't, in one stable word."""
        if self.intervals:
            return self.intervals[-1].because or "paid"
        if self.rejected:
            return self.rejected
        return {"processing": "payment_pending", "failed": "payment_failed"}.get(
            self.unfinished.state if self.unfinished else "", "not_paid"
        )


def judge(knowledge: Knowledge, provider: str, policy: Policy) -> PaymentVerdict:
    """The verdict on one payment, from everything known about it."""
    recorded = _recorded(knowledge)
    sessions = [s for s in _of(knowledge, CheckoutSession) if is_known_status(s)]
    refusals = [why_not_ours(s, recorded.get(s.id), provider, policy) for s in sessions]
    ours = [s for s, refusal in zip(sessions, refusals, strict=True) if refusal is None]
    owners = {s.user_id for s in ours}
    if len(owners) > 1:
        return PaymentVerdict(user_id=None, rejected="contradicting_user")
    if not ours:
        claimed = min((r.user_id for r in recorded.values()), default=None)
        return PaymentVerdict(claimed, rejected=min(filter(None, refusals), default=None))
    owner = owners.pop()
    paying = [s for s in ours if pays(s, policy)]
    if not paying:
        return PaymentVerdict(owner, unfinished=_unfinished([s for s in ours if s.payment_status == "unpaid"]))
    amount = max(s.amount_total or 0 for s in paying)
    return PaymentVerdict(owner, tuple(_intervals(knowledge, _paid_at(paying), amount, policy)))


def _recorded(knowledge: Knowledge) -> dict[str, RecordedSession]:
    """What was asked for, by session. Recorded twice (it never should be), the same one holds whichever came first."""
    told = _of(knowledge, RecordedSession)
    told.sort(key=lambda r: (r.id, r.user_id, r.amount, r.currency), reverse=True)
    return {recorded.id: recorded for recorded in told}


def _of(knowledge: Knowledge, kind: type[S]) -> list[S]:
    return [snapshot for snapshot in knowledge if isinstance(snapshot, kind)]


def _paid_at(paying: list[CheckoutSession]) -> datetime:
    """The earliest time told. What an event says about the time beats what was inferred from a read."""
    told = [s for s in paying if not s.paid_at_inferred]
    return min(s.paid_at for s in told or paying if s.paid_at)


def _unfinished(sessions: list[CheckoutSession]) -> Unfinished | None:
    failed = [s.failed_at for s in sessions if s.failed_at]
    completed = [s for s in sessions if s.completed_at]
    told = [s for s in completed if not s.paid_at_inferred] or completed
    since = min((s.completed_at for s in told if s.completed_at), default=min(failed, default=None))
    return Unfinished("failed" if failed else "processing", since) if since else None


def _intervals(knowledge: Knowledge, paid_at: datetime, amount: int, policy: Policy) -> Iterator[Interval]:
    refunds: dict[str, Refund] = {}
    disputes: dict[str, Dispute] = {}
    charges: dict[str, int] = {}
    start: datetime | None = None
    seen_paid = False
    for at, snapshots in groupby(_timeline(knowledge, paid_at), key=lambda moment: moment[0]):
        for _, snapshot in snapshots:
            match snapshot:
                case Refund():
                    refunds[snapshot.id] = snapshot
                case Dispute():
                    disputes[snapshot.id] = snapshot
                case Charge():
                    charges[snapshot.id] = max(snapshot.amount_refunded, charges.get(snapshot.id, 0))
        if at < paid_at:
            continue
        because = why_revoked(amount, refunds.values(), charges, disputes.values(), policy)
        if because is None:
            start = start or at
        elif start is not None or not seen_paid:
            yield Interval(start or at, at, because)
            start = None
        seen_paid = True
    if start is not None:
        yield Interval(start)


def _timeline(knowledge: Knowledge, paid_at: datetime) -> list[tuple[datetime, Snapshot | None]]:
    """What was told and when, in the provider's order: time, then rank of the status, then event id."""
    told = [
        (stamp.at, rank(snapshot), stamp.event_id, snapshot)
        for snapshot, span in knowledge.items()
        if isinstance(snapshot, Refund | Dispute | Charge) and is_known_status(snapshot)
        for stamp in _ends(span)
    ]
    told.sort(key=lambda entry: entry[:3])
    moments: list[tuple[datetime, Snapshot | None]] = [(at, snapshot) for at, _, _, snapshot in told]
    position = sum(at < paid_at for at, _ in moments)
    moments.insert(position, (paid_at, None))
    return moments


def _ends(span: Span) -> tuple[Stamp, ...]:
    return (span.first,) if span.first == span.last else (span.first, span.last)
