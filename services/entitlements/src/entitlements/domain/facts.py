"""What is known about a payment: snapshots of provider objects, and when each was seen to be so.

A snapshot is absolute and immutable. Knowledge is a map from snapshot to the span of time over which it was told, so
merging two pieces of knowledge is a union with minima and maxima: commutative, associative, idempotent. The same
facts in any order, any number of times, are the same knowledge, and knowledge stays small however often a fact is
told again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A checkout session as the provider showed it. Amounts in minor units."""

    id: str
    payment_status: str
    mode: str
    amount_total: int | None
    currency: str | None
    livemode: bool
    payment_link: bool
    product_key: str | None
    user_id: str | None
    status: str | None = None
    completed_at: datetime | None = None
    paid_at: datetime | None = None
    failed_at: datetime | None = None
    paid_at_inferred: bool = False


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """What our checkout service asked for when it made the session."""

    id: str
    user_id: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge; ``amount_refunded`` is cumulative."""

    id: str
    amount: int
    amount_refunded: int


@dataclass(frozen=True, slots=True)
class Refund:
    id: str
    amount: int
    status: str


@dataclass(frozen=True, slots=True)
class Dispute:
    id: str
    status: str


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An operator's grant or revoke; ``id`` is that of its event."""

    id: str
    action: str
    user_id: str


Snapshot = CheckoutSession | RecordedSession | Charge | Refund | Dispute | Adjustment


class Stamp(NamedTuple):
    """When the provider said it, and in which event (the tie-breaker of one second)."""

    at: datetime
    event_id: str


class Span(NamedTuple):
    """The first and the last time a snapshot was told."""

    first: Stamp
    last: Stamp

    def merged(self, other: Span) -> Span:
        return Span(min(self.first, other.first), max(self.last, other.last))


Knowledge = Mapping[Snapshot, Span]
"""Everything known about one payment."""


class Fact(NamedTuple):
    """One fact of the ledger: its place in time, whom and which payment it is about, and what it says."""

    seq: int
    event_id: str
    type: str
    provider: str
    user_id: str | None
    occurred_at: datetime
    recorded_at: datetime
    refs: tuple[str, ...]
    """Every id that ties facts to one payment, each with its provider and kind: ``stripe:payment_intent:pi_1``."""
    snapshots: tuple[Snapshot, ...]

    def knowledge(self) -> dict[Snapshot, Span]:
        stamp = Stamp(self.occurred_at, self.event_id)
        span = Span(stamp, stamp)
        return dict.fromkeys(self.snapshots, span)


def merge(pieces: Iterable[Knowledge]) -> dict[Snapshot, Span]:
    """The union of several pieces of knowledge."""
    merged: dict[Snapshot, Span] = {}
    for piece in pieces:
        add_to(merged, piece)
    return merged


def add_to(knowledge: dict[Snapshot, Span], more: Knowledge) -> None:
    """Merge ``more`` into ``knowledge``."""
    for snapshot, span in more.items():
        known = knowledge.setdefault(snapshot, span)  # one look: hashing a snapshot is what costs here
        if known is not span:
            knowledge[snapshot] = known.merged(span)


def claimed_by(knowledge: Knowledge) -> set[str]:
    """Every user that some fact names as the buyer, whether the claim holds or not."""
    told = (s.user_id for s in knowledge if isinstance(s, CheckoutSession | RecordedSession | Adjustment))
    return {user_id for user_id in told if user_id}
