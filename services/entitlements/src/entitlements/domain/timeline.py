"""Replays a payment's refunds, disputes and operator decisions in the provider's order.

They are ordered by time; within one second by rank (``policy.rank``), then by event id, and the last one counts. The
state of a payment at a moment depends only on what is dated up to that moment, so a fact that is delivered again, or a
state that is read again while it lasts, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from atlas_stripe.refund_arithmetic import AmountTold, Failure, amount_refunded
from atlas_stripe.statuses import FAILED_REFUND_STATUSES
from entitlements.domain.facts import Charge, Dispute, Knowledge, PaymentAdjustment, Refund, Stamp
from entitlements.domain.policy import Condition, is_known_status, rank

Entry = tuple[Stamp, Charge | Refund | Dispute | PaymentAdjustment]


def conditions(knowledge: Knowledge, paid_at: datetime) -> Iterator[tuple[datetime, Condition]]:
    """The state of the payment when it was paid, and after each later second in which something was reported."""
    told = [
        (stamp, snapshot)
        for snapshot, tellings in knowledge.items()
        if isinstance(snapshot, Charge | Refund | Dispute | PaymentAdjustment) and is_known_status(snapshot)
        for stamp in tellings
    ]
    told.sort(key=lambda entry: (entry[0].at, rank(entry[1]), entry[0].event_id))
    story = _Story()
    paid = False
    for at, entries in groupby(told, key=lambda entry: entry[0].at):
        if not paid and at > paid_at:
            yield paid_at, story.condition()
            paid = True
        story.hear(entries)
        if at >= paid_at:
            yield at, story.condition()
            paid = True
    if not paid:
        yield paid_at, story.condition()


class _Story:
    """The state of the payment after what was replayed so far."""

    def __init__(self) -> None:
        self._refunds: dict[str, Refund] = {}
        self._charge_of_refund: dict[str, str] = {}
        self._failed_first: dict[str, Stamp] = {}
        self._failure_read: set[str] = set()
        self._amounts: dict[tuple[str, int], AmountTold] = {}
        self._disputes: dict[str, str] = {}
        self._revoked = False

    def hear(self, entries: Iterator[Entry]) -> None:
        for stamp, snapshot in entries:
            match snapshot:
                case Refund():
                    self._hear_refund(stamp, snapshot)
                case Charge():
                    told = AmountTold(snapshot.id, snapshot.amount_refunded, stamp.at, stamp.is_read)
                    known = self._amounts.setdefault((told.charge, told.amount), told)
                    if (told.at, told.read) > (known.at, known.read):  # fewer failures can be in the later amount
                        self._amounts[told.charge, told.amount] = told
                case Dispute():
                    self._disputes[snapshot.id] = snapshot.status
                case PaymentAdjustment():
                    self._revoked = snapshot.action == "revoke_payment"

    def _hear_refund(self, stamp: Stamp, refund: Refund) -> None:
        self._refunds[refund.id] = refund
        if refund.charge:
            self._charge_of_refund[refund.id] = min(refund.charge, self._charge_of_refund.get(refund.id, refund.charge))
        if refund.status in FAILED_REFUND_STATUSES:
            first = self._failed_first.setdefault(refund.id, stamp)
            if stamp.is_read and stamp.at == first.at:
                self._failure_read.add(refund.id)

    def condition(self) -> Condition:
        succeeded = sum(refund.amount for refund in self._refunds.values() if refund.status == "succeeded")
        failures = [
            Failure(
                self._charge_of_refund.get(refund.id),
                refund.amount,
                self._failed_first[refund.id].at,
                refund.id in self._failure_read,
            )
            for refund in self._refunds.values()
            if refund.status in FAILED_REFUND_STATUSES
        ]
        return Condition(
            amount_refunded(succeeded, self._amounts.values(), failures),
            tuple(self._disputes.values()),
            self._revoked,
        )
