"""What is known about a payment: snapshots of provider objects, and when each was seen to be so.

A snapshot is absolute and immutable. Knowledge is a map from snapshot to the moments at which it was told, so merging
two pieces of knowledge is a union: commutative, associative, idempotent. The same facts in any order, any number of
times, are the same knowledge.

What can come again (a dispute may be lost, appealed and lost again) keeps every telling, since the present stretch
began at one of them. What can't (a session, a record, an operator's word) keeps the first.
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
    """What the buyer pays, after discounts and with taxes."""
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
    amount_subtotal: int | None = None
    """What the price asks, before discounts and taxes."""


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """What our checkout service asked for when it made the session."""

    id: str
    user_id: str
    amount: int
    currency: str
    offers: tuple[tuple[int, str], ...] = ()
    """What the price asks in each currency: (amount, currency). None told: amount and currency are the only offer."""


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
    charge: str | None = None


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


@dataclass(frozen=True, slots=True)
class PaymentAdjustment:
    """An operator's word about one payment: ``revoke_payment``, or ``undo_revoke_payment``."""

    id: str
    action: str


@dataclass(frozen=True, slots=True)
class ImportedGrant:
    """What the app that we replace said of a user's grant when it last changed its mind (``as_of``)."""

    user_id: str
    source: str
    active_from: datetime
    as_of: datetime
    active_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FraudWarning:
    """The card network's early warning. Kept to be shown; no verdict changes."""

    id: str
    fraud_type: str | None = None
    actionable: bool | None = None


Snapshot = (
    CheckoutSession
    | RecordedSession
    | Charge
    | Refund
    | Dispute
    | Adjustment
    | PaymentAdjustment
    | ImportedGrant
    | FraudWarning
)
BY_WORD = (Adjustment, ImportedGrant)
"""What is said of a user, by an operator or by the app that we replace, and of no payment."""


class Stamp(NamedTuple):
    """When the provider said it, and in which event (the tie-breaker of one second)."""

    at: datetime
    event_id: str

    @property
    def is_read(self) -> bool:
        """Whether we read it ourselves (restore, confirm, sweep); what is read in one second is of one moment."""
        return self.event_id.split(":", 2)[1:2] == ["read"]


Tellings = frozenset[Stamp]
"""Every moment at which a snapshot was told; of what can't recur the first alone."""

RECURRING = (Charge, Refund, Dispute)

Knowledge = Mapping[Snapshot, Tellings]
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

    def knowledge(self) -> dict[Snapshot, Tellings]:
        return dict.fromkeys(self.snapshots, frozenset((Stamp(self.occurred_at, self.event_id),)))


def merge(pieces: Iterable[Knowledge]) -> dict[Snapshot, Tellings]:
    """The union of several pieces of knowledge."""
    merged: dict[Snapshot, Tellings] = {}
    for piece in pieces:
        add_to(merged, piece)
    return merged


def add_to(knowledge: dict[Snapshot, Tellings], more: Knowledge) -> None:
    """Merge ``more`` into ``knowledge``."""
    for snapshot, tellings in more.items():
        known = knowledge.setdefault(snapshot, tellings)  # one look: hashing a snapshot is what costs here
        if known is not tellings:
            together = known | tellings
            knowledge[snapshot] = together if isinstance(snapshot, RECURRING) else frozenset((min(together),))


def claimed_by(knowledge: Knowledge) -> set[str]:
    """Every user that some fact names as the buyer, whether the claim holds or not."""
    told = (s.user_id for s in knowledge if isinstance(s, (CheckoutSession, RecordedSession, *BY_WORD)))
    return {user_id for user_id in told if user_id}
