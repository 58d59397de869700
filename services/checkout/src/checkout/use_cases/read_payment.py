"""Read one payment at Stripe, from its session: session, charge, refunds and disputes, as facts and as an outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from atlas_contracts.billing import BillingData, Via
from atlas_kit.messaging.events import now
from atlas_kit.process.logs import get_logger
from atlas_stripe import reads as stripe_reads
from atlas_stripe.arrival import Arrival
from atlas_stripe.objects import Read, StripeObject, Unmappable
from checkout.domain.payment_outcome import PaymentOutcome, charge_of, outcome_of
from checkout.ports import ChargeReads

log = get_logger()

Mapper = Callable[[StripeObject, datetime, Arrival], BillingData]


@dataclass(frozen=True, slots=True)
class PaymentAtStripe:
    """One checkout session with its refunds and disputes, the facts in them, and the state of the payment."""

    session: StripeObject
    outcome: PaymentOutcome
    refunds: tuple[StripeObject, ...]
    disputes: tuple[StripeObject, ...]
    facts: tuple[BillingData, ...]
    unreadable: str | None = None
    """Why the session could not be mapped to facts (a stable word), else None. ``facts`` is then empty: nothing about
    the payment is published.
    """

    @property
    def session_id(self) -> str:
        return str(self.session["id"])


async def read_payment(stripe: ChargeReads, session: Read, via: Via, *, thorough: bool = True) -> PaymentAtStripe:
    """The payment behind a session (read with its payment and charge expanded).

    Not ``thorough``: refunds and disputes are asked for only where the charge says that there are any. That misses a
    refund that failed: the charge no longer counts it. Whoever repairs what went wrong must be thorough, or have the
    charge's refunds expanded, which are then not asked for. Raises StripeFailure.
    """
    charge = charge_of(session.body)
    refunds, disputes = expanded_refunds(session), []
    if refunds is None and charge and (thorough or charge.get("amount_refunded")):
        refunds = [read async for read in stripe.refunds(charge["id"])]
    refunds = refunds or []
    if charge and (thorough or charge.get("disputed")):
        disputes = [read async for read in stripe.disputes(charge["id"])]
    refund_bodies, dispute_bodies = tuple(r.body for r in refunds), tuple(d.body for d in disputes)
    outcome = outcome_of(session.body, refund_bodies, dispute_bodies)
    try:
        facts, unreadable = map_payment(session, charge, refunds, disputes, via), None
    except Unmappable as problem:
        log.warning("stripe.object_skipped", object=session.id, reason=problem.reason)
        facts, unreadable = (), problem.reason
    return PaymentAtStripe(session.body, outcome, refund_bodies, dispute_bodies, facts, unreadable)


def expanded_refunds(session: Read) -> list[Read] | None:
    """The refunds that came with the session's charge; None where they weren't expanded, or are more than came."""
    charge = charge_of(session.body)
    refunds = charge.get("refunds") if charge else None
    if not isinstance(refunds, dict) or refunds.get("has_more"):
        return None
    return [Read(refund, session.observed_at) for refund in refunds["data"]]


def map_payment(
    session: Read, charge: StripeObject | None, refunds: list[Read], disputes: list[Read], via: Via
) -> tuple[BillingData, ...]:
    """The facts of all these objects. A refund, dispute or charge that can't be mapped is logged and left out.

    Raises Unmappable when the session itself can't be mapped.
    """
    arrival = arrival_by(via)
    if session.body.get("status") == "open":
        return ()  # nothing happened yet
    told = [stripe_reads.session_read(session.body, session.observed_at, arrival)]
    reads: list[tuple[Mapper, Read]] = [(stripe_reads.refund_read, refund) for refund in refunds]
    reads += [(stripe_reads.dispute_read, dispute) for dispute in disputes]
    if charge:
        reads.append((stripe_reads.charge_read, Read(charge, session.observed_at)))
    for mapper, read in reads:
        try:
            told.append(mapper(read.body, read.observed_at, arrival))
        except Unmappable as problem:
            log.warning("stripe.object_skipped", object=read.id, reason=problem.reason)
    return tuple(told)


def arrival_by(via: Via) -> Arrival:
    """The arrival of a fact that we read ourselves: unsigned; its hash is filled in by the mapping."""
    return Arrival(via=via, received_at=now(), payload_hash="", signature_verified=False)
