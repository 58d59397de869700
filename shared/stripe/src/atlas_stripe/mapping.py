"""The one mapping from Stripe's events to canonical billing events. Pure.

webhook-ingest maps the events of webhook and pull here; objects that checkout reads itself (confirm, restore) are
mapped by :mod:`atlas_stripe.reads`. The same object gives the same facts either way.

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

from collections.abc import Callable
from datetime import datetime

from atlas_contracts.billing import BillingData, BillingType
from atlas_stripe.arrival import Arrival
from atlas_stripe.meanings import (
    Meaning,
    billing_data,
    charge_meaning,
    dispute_meaning,
    fraud_warning_meaning,
    refund_meaning,
    session_meaning,
)
from atlas_stripe.objects import StripeObject, Unmappable, moment, text
from atlas_stripe.statuses import SETTLED_PAYMENT_STATUSES


def from_event(event: StripeObject, arrival: Arrival) -> BillingData:
    """The canonical event of a supported Stripe event.

    ``event`` must have the fields that :func:`atlas_stripe.envelope.is_event` checks. Raises Unmappable if its object
    lacks what its type must have, and KeyError for a type that isn't supported.
    """
    event_id, event_type, created = text(event, "id"), text(event, "type"), moment(event, "created")
    meaning = _EVENT_MAPPERS[event_type](event["data"]["object"], event_type, created)
    return billing_data(meaning, event_id, event_type, created, arrival)


def _map_completed(session: StripeObject, _type: str, at: datetime) -> Meaning:
    settled = text(session, "payment_status") in SETTLED_PAYMENT_STATUSES
    return session_meaning(session, completed_at=at, paid_at=at if settled else None)


def _map_async_succeeded(session: StripeObject, _type: str, at: datetime) -> Meaning:
    if session.get("payment_status") != "paid":
        raise Unmappable("malformed_object", "A succeeded delayed payment must have payment_status paid.")
    return session_meaning(session, paid_at=at)


def _map_async_failed(session: StripeObject, _type: str, at: datetime) -> Meaning:
    return session_meaning(session, failed_at=at)


def _map_expired(session: StripeObject, _type: str, _at: datetime) -> Meaning:
    return session_meaning(session)


def _map_charge_refunded(charge: StripeObject, _type: str, _at: datetime) -> Meaning:
    return charge_meaning(charge, BillingType.REFUND_ISSUED)


def _map_refund(refund: StripeObject, _type: str, _at: datetime) -> Meaning:
    return refund_meaning(refund)


def _map_dispute(dispute: StripeObject, event_type: str, _at: datetime) -> Meaning:
    return dispute_meaning(dispute, opened=event_type == "charge.dispute.created")


def _map_fraud_warning(warning: StripeObject, _type: str, _at: datetime) -> Meaning:
    return fraud_warning_meaning(warning)


_EVENT_MAPPERS: dict[str, Callable[[StripeObject, str, datetime], Meaning]] = {
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
"""The event types that are handled; the webhook endpoint at Stripe should be set to send exactly these."""
