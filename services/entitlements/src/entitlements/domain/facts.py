"""What is known about a payment: snapshots of the provider's objects, and the times at which each was reported.

A snapshot states absolute values and never changes. Knowledge maps each snapshot to the moments at which it was
reported (its "tellings"), so two pieces of knowledge are merged by a union: commutative, associative, idempotent. The
same facts in any order, any number of times, give the same knowledge.

A state that can return (a dispute may be lost, appealed and lost again) keeps every telling, because the latest period
in that state began at one of them. What can't return (a session, a record, an operator's adjustment) keeps the first.
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
    """What the price charges, before discounts and taxes."""


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """What our checkout service asked for when it made the session."""

    id: str
    user_id: str
    amount: int
    currency: str
    offers: tuple[tuple[int, str], ...] = ()
    """What the price charges in each currency, as (amount, currency). Empty: ``amount`` and ``currency`` are the only
    offer."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge. Amounts in minor units; ``amount_refunded`` is the sum of everything refunded so far."""

    id: str
    amount: int
    amount_refunded: int


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund. ``amount`` in minor units; ``status`` is Stripe's (``policy.REFUND_RANK``)."""

    id: str
    amount: int
    status: str
    charge: str | None = None


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute; ``status`` is Stripe's (``policy.DISPUTE_RANK``)."""

    id: str
    status: str


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An operator's grant or revoke; ``id`` is the id of the event that brought it."""

    id: str
    action: str
    user_id: str


@dataclass(frozen=True, slots=True)
class PaymentAdjustment:
    """An operator's decision about one payment: ``action`` is ``revoke_payment`` or ``undo_revoke_payment``."""

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
    """The card network's early warning of fraud. Kept so that operators see it; it changes no verdict."""

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
    """When the provider reported a snapshot, and in which event. Provider times are whole seconds, so the event id
    decides the order within one second.
    """

    at: datetime
    event_id: str

    @property
    def is_read(self) -> bool:
        """Whether we read the object at Stripe ourselves (restore, confirm, sweep) instead of being sent an event.

        Objects that we read in the same second show the same state of the payment.
        """
        return self.event_id.split(":", 2)[1:2] == ["read"]


Tellings = frozenset[Stamp]
"""Every moment at which a snapshot was reported; for kinds that are not in ``RECURRING``, only the first."""

RECURRING = (Charge, Refund, Dispute)
"""Kinds whose state can return after it was left."""

Knowledge = Mapping[Snapshot, Tellings]
"""Everything known about one payment."""


class Fact(NamedTuple):
    """One row of the ledger: when it happened, which user and payment it is about, and what it says."""

    seq: int
    event_id: str
    type: str
    provider: str
    user_id: str | None
    occurred_at: datetime
    recorded_at: datetime
    refs: tuple[str, ...]
    """The ids by which facts are assigned to a payment, each with provider and kind: ``stripe:payment_intent:pi_1``."""
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
        known = knowledge.setdefault(snapshot, tellings)  # one look-up, because hashing a snapshot is expensive
        if known is not tellings:
            together = known | tellings
            knowledge[snapshot] = together if isinstance(snapshot, RECURRING) else frozenset((min(together),))


def claimed_by(knowledge: Knowledge) -> set[str]:
    """Every user that some fact names as the buyer, whether or not the policy accepts that claim."""
    told = (s.user_id for s in knowledge if isinstance(s, (CheckoutSession, RecordedSession, *BY_WORD)))
    return {user_id for user_id in told if user_id}
