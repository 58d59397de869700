"""What a Stripe event or a read means: the one mapping from Stripe's words to canonical billing events.

A new event type gets a row in the table below and in ``_EVENT_MAPPERS``; what its object says is read in
:mod:`atlas_stripe.snapshots`. Pure.

Used by webhook-ingest (webhook and pull: :func:`from_event`) and by checkout (confirm and restore: ``*_read``). The
same object gives the same facts whichever way it comes.

| Stripe event | canonical type |
|---|---|
| checkout.session.completed, paid or free | purchase_succeeded |
| checkout.session.completed, unpaid (delayed method) | purchase_pending |
| checkout.session.async_payment_succeeded | purchase_succeeded |
| checkout.session.async_payment_failed | purchase_failed |
| checkout.session.expired | purchase_expired |
| charge.refunded | refund_issued (the charge's cumulative amount) |
| refund.created, refund.updated, refund.failed, charge.refund.updated | refund_issued, or refund_failed by status |
| charge.dispute.* | chargeback_won, chargeback_lost by status; opened; else chargeback_updated |
| radar.early_fraud_warning.created, .updated | fraud_warning_observed (no verdict changes) |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from atlas_contracts.billing import BillingData, BillingType, Provider, Via
from atlas_stripe.objects import StripeObject, Unmappable, expanded, moment, optional_text, text
from atlas_stripe.snapshots import (
    PAYMENT_INTENT_FAILED,
    SETTLED_PAYMENT_STATUSES,
    Snapshot,
    charge_snapshot,
    dispute_snapshot,
    fraud_warning_snapshot,
    refund_snapshot,
    session_snapshot,
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How and when a fact reached us: everything about it that isn't in Stripe's object."""

    via: Via
    received_at: datetime
    payload_hash: str
    signature_verified: bool


def from_event(event: StripeObject, arrival: Arrival) -> BillingData:
    """The canonical event of a supported Stripe event.

    ``event`` has a string ``id`` and ``type``, an integer ``created`` and an object ``data.object`` (the door checked).
    Raises Unmappable when its object makes no sense, and KeyError for a type that isn't supported.
    """
    event_id, event_type, created = text(event, "id"), text(event, "type"), moment(event, "created")
    snapshot = _EVENT_MAPPERS[event_type](event["data"]["object"], event_type, created)
    return _billing_data(snapshot, event_id, event_type, created, arrival)


def session_read(session: StripeObject, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The facts of a session just read at Stripe, ``payment_intent.latest_charge.balance_transaction`` expanded.

    A read carries no event time, so the time of payment is inferred from when the money moved.
    """
    intent = expanded(session, "payment_intent")
    charge = expanded(intent, "latest_charge") if intent else None
    complete = session.get("status") == "complete"
    settled = complete and text(session, "payment_status") in SETTLED_PAYMENT_STATUSES
    completed_at = (moment(charge, "created") if charge else moment(session, "created")) if complete else None
    intent_status = optional_text(intent, "status") if intent else None
    failed = complete and not settled and intent_status in PAYMENT_INTENT_FAILED
    snapshot = session_snapshot(
        session,
        completed_at=completed_at,
        paid_at=_money_moved_at(charge) or completed_at if settled else None,
        failed_at=completed_at if failed else None,  # not the time of reading: every read says the same
        inferred=True,
    )
    facts = snapshot.facts["checkout_session"]
    occurred_at = getattr(facts, "paid_at", None) or completed_at or moment(session, "created")
    return _read_data(snapshot, occurred_at, observed_at, arrival)


def charge_read(charge: StripeObject, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The facts of a charge just read at Stripe."""
    return _read_data(charge_snapshot(charge, BillingType.CHARGE_OBSERVED), observed_at, observed_at, arrival)


def refund_read(refund: StripeObject, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The facts of a refund just read at Stripe."""
    return _read_data(refund_snapshot(refund), observed_at, observed_at, arrival)


def dispute_read(dispute: StripeObject, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The facts of a dispute just read at Stripe."""
    return _read_data(dispute_snapshot(dispute), observed_at, observed_at, arrival)


def _map_completed(session: StripeObject, _type: str, at: datetime) -> Snapshot:
    settled = text(session, "payment_status") in SETTLED_PAYMENT_STATUSES
    return session_snapshot(session, completed_at=at, paid_at=at if settled else None)


def _map_async_succeeded(session: StripeObject, _type: str, at: datetime) -> Snapshot:
    if session.get("payment_status") != "paid":
        raise Unmappable("malformed_object", "A succeeded delayed payment must have payment_status paid.")
    return session_snapshot(session, paid_at=at)


def _map_async_failed(session: StripeObject, _type: str, at: datetime) -> Snapshot:
    return session_snapshot(session, failed_at=at)


def _map_expired(session: StripeObject, _type: str, _at: datetime) -> Snapshot:
    return session_snapshot(session)


def _map_charge_refunded(charge: StripeObject, _type: str, _at: datetime) -> Snapshot:
    return charge_snapshot(charge, BillingType.REFUND_ISSUED)


def _map_refund(refund: StripeObject, _type: str, _at: datetime) -> Snapshot:
    return refund_snapshot(refund)


def _map_dispute(dispute: StripeObject, event_type: str, _at: datetime) -> Snapshot:
    return dispute_snapshot(dispute, opened=event_type == "charge.dispute.created")


def _map_fraud_warning(warning: StripeObject, _type: str, _at: datetime) -> Snapshot:
    return fraud_warning_snapshot(warning)


_EVENT_MAPPERS: dict[str, Callable[[StripeObject, str, datetime], Snapshot]] = {
    "checkout.session.completed": _map_completed,
    "checkout.session.async_payment_succeeded": _map_async_succeeded,
    "checkout.session.async_payment_failed": _map_async_failed,
    "checkout.session.expired": _map_expired,
    "charge.refunded": _map_charge_refunded,
    "refund.created": _map_refund,
    "refund.updated": _map_refund,
    "refund.failed": _map_refund,
    "charge.refund.updated": _map_refund,
    "charge.dispute.created": _map_dispute,
    "charge.dispute.updated": _map_dispute,
    "charge.dispute.closed": _map_dispute,
    "charge.dispute.funds_withdrawn": _map_dispute,
    "charge.dispute.funds_reinstated": _map_dispute,
    "radar.early_fraud_warning.created": _map_fraud_warning,
    "radar.early_fraud_warning.updated": _map_fraud_warning,
}
SUPPORTED_EVENT_TYPES = tuple(_EVENT_MAPPERS)
"""The allowlist; the webhook endpoint at Stripe should send exactly these."""


def _money_moved_at(charge: StripeObject | None) -> datetime | None:
    transaction = expanded(charge, "balance_transaction") if charge else None
    return moment(transaction, "created") if transaction else None


def _read_data(snapshot: Snapshot, occurred_at: datetime, observed_at: datetime, arrival: Arrival) -> BillingData:
    """A read has no event id; its id is made of the object's id, the second of the read, and a hash of the content."""
    said = {name: facts.model_dump(mode="json", by_alias=True) for name, facts in snapshot.facts.items()}
    refs = snapshot.refs.model_dump(by_alias=True)
    digest = hashlib.sha256(json.dumps([said, refs, snapshot.user_id], sort_keys=True).encode()).hexdigest()
    object_id = next(facts["id"] for facts in said.values())
    read_id = f"read:{object_id}:{int(observed_at.timestamp())}:{digest[:12]}"
    told = Arrival(arrival.via, arrival.received_at, f"sha256:{digest}", signature_verified=False)
    return _billing_data(snapshot, read_id, "read", occurred_at, told)


def _billing_data(
    snapshot: Snapshot, provider_event_id: str, provider_event_type: str, occurred_at: datetime, arrival: Arrival
) -> BillingData:
    return BillingData(
        event_id=f"{Provider.STRIPE}:{provider_event_id}:{snapshot.type}",
        provider=Provider.STRIPE,
        provider_event_id=provider_event_id,
        provider_event_type=provider_event_type,
        user_id=snapshot.user_id,
        occurred_at=occurred_at,
        received_at=arrival.received_at,
        via=arrival.via,
        payload_hash=arrival.payload_hash,
        signature_verified=arrival.signature_verified,
        refs=snapshot.refs,
        **snapshot.facts,  # keys name fact fields of BillingData
    )
