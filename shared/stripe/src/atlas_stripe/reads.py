"""Canonical events for objects that we have read at Stripe ourselves (confirm, restore, sweep).

Pure. An object gives the same facts as when it comes in an event. ``observed_at`` is when it was read, by Stripe's
clock. Every function raises Unmappable for an object that lacks what its type must have.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from atlas_contracts.billing import BillingData, BillingType
from atlas_stripe.arrival import Arrival
from atlas_stripe.meanings import (
    Meaning,
    billing_data,
    charge_meaning,
    dispute_meaning,
    refund_meaning,
    session_meaning,
)
from atlas_stripe.objects import StripeObject, expanded, moment, optional_text, text
from atlas_stripe.statuses import PAYMENT_INTENT_FAILED, SETTLED_PAYMENT_STATUSES


def session_read(session: StripeObject, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The facts of a session read at Stripe with ``payment_intent.latest_charge.balance_transaction`` expanded.

    A read has no event time, so the time of payment is inferred from when Stripe booked the money.
    """
    intent = expanded(session, "payment_intent")
    charge = expanded(intent, "latest_charge") if intent else None
    complete = session.get("status") == "complete"
    settled = complete and text(session, "payment_status") in SETTLED_PAYMENT_STATUSES
    completed_at = (moment(charge, "created") if charge else moment(session, "created")) if complete else None
    intent_status = optional_text(intent, "status") if intent else None
    failed = complete and not settled and intent_status in PAYMENT_INTENT_FAILED
    meaning = session_meaning(
        session,
        completed_at=completed_at,
        paid_at=_money_moved_at(charge) or completed_at if settled else None,
        failed_at=completed_at if failed else None,  # not the time of reading, so that every read gives the same facts
        inferred=True,
    )
    facts = meaning.facts["checkout_session"]
    occurred_at = getattr(facts, "paid_at", None) or completed_at or moment(session, "created")
    return _read_data(meaning, occurred_at, observed_at, arrival)


def charge_read(charge: StripeObject, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The facts of a charge just read at Stripe."""
    return _read_data(charge_meaning(charge, BillingType.CHARGE_OBSERVED), observed_at, observed_at, arrival)


def refund_read(refund: StripeObject, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The facts of a refund just read at Stripe."""
    return _read_data(refund_meaning(refund), observed_at, observed_at, arrival)


def dispute_read(dispute: StripeObject, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The facts of a dispute just read at Stripe."""
    return _read_data(dispute_meaning(dispute), observed_at, observed_at, arrival)


def _money_moved_at(charge: StripeObject | None) -> datetime | None:
    transaction = expanded(charge, "balance_transaction") if charge else None
    return moment(transaction, "created") if transaction else None


def _read_data(meaning: Meaning, occurred_at: datetime, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The canonical event of a read. A read has no event id, so it is identified by the object, the second and the
    facts.
    """
    said = {name: facts.model_dump(mode="json", by_alias=True) for name, facts in meaning.facts.items()}
    refs = meaning.refs.model_dump(by_alias=True)
    digest = hashlib.sha256(json.dumps([said, refs, meaning.user_id], sort_keys=True).encode()).hexdigest()
    object_id = next(facts["id"] for facts in said.values())
    read_id = f"read:{object_id}:{int(observed_at.timestamp())}:{digest[:12]}"
    told = Arrival(arrival.via, arrival.received_at, f"sha256:{digest}", signature_verified=False)
    return billing_data(meaning, read_id, "read", occurred_at, told)
