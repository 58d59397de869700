"""What a Stripe object means: the one mapping from Stripe's words to canonical billing events.

Pure. Used by webhook-ingest (webhook and pull: :func:`from_event`) and by checkout (confirm and restore:
``*_read``). The same object gives the same facts through every door.

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from atlas_contracts.billing import (
    BillingData,
    BillingType,
    ChargeFacts,
    CheckoutSessionFacts,
    DisputeFacts,
    FraudWarningFacts,
    Provider,
    Refs,
    RefundFacts,
    Via,
)
from atlas_contracts.model import WireModel
from atlas_stripe.objects import (
    StripeObject,
    Unmappable,
    amount,
    claimed_reference,
    currency,
    expanded,
    flag,
    malformed,
    metadata,
    metadata_user,
    moment,
    optional_amount,
    optional_flag,
    optional_moment,
    optional_text,
    reference,
    text,
)

SETTLED_PAYMENT_STATUSES = frozenset({"paid", "no_payment_required"})
FAILED_REFUND_STATUSES = frozenset({"failed", "canceled"})
PAYMENT_INTENT_FAILED = frozenset({"requires_payment_method", "canceled"})


@dataclass(frozen=True, slots=True)
class Arrival:
    """How and when a fact reached us; everything about it that Stripe's object doesn't say."""

    via: Via
    received_at: datetime
    payload_hash: str
    signature_verified: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one object says: the canonical type, the ties, the facts and whose they are."""

    type: BillingType
    refs: Refs
    facts: Mapping[str, WireModel]
    user_id: str | None = None


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
    snapshot = _session_snapshot(
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
    return _read_data(_charge_snapshot(charge, BillingType.CHARGE_OBSERVED), observed_at, observed_at, arrival)


def refund_read(refund: StripeObject, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The facts of a refund just read at Stripe."""
    return _read_data(_map_refund(refund, "", observed_at), observed_at, observed_at, arrival)


def dispute_read(dispute: StripeObject, observed_at: datetime, arrival: Arrival) -> BillingData:
    """The facts of a dispute just read at Stripe."""
    return _read_data(_map_dispute(dispute, "", observed_at), observed_at, observed_at, arrival)


def _map_completed(session: StripeObject, _type: str, at: datetime) -> Snapshot:
    settled = text(session, "payment_status") in SETTLED_PAYMENT_STATUSES
    return _session_snapshot(session, completed_at=at, paid_at=at if settled else None)


def _map_async_succeeded(session: StripeObject, _type: str, at: datetime) -> Snapshot:
    if session.get("payment_status") != "paid":
        raise Unmappable("malformed_object", "A succeeded delayed payment must have payment_status paid.")
    return _session_snapshot(session, paid_at=at)


def _map_async_failed(session: StripeObject, _type: str, at: datetime) -> Snapshot:
    return _session_snapshot(session, failed_at=at)


def _map_expired(session: StripeObject, _type: str, _at: datetime) -> Snapshot:
    return _session_snapshot(session)


def _map_charge_refunded(charge: StripeObject, _type: str, _at: datetime) -> Snapshot:
    return _charge_snapshot(charge, BillingType.REFUND_ISSUED)


def _map_refund(refund: StripeObject, _type: str, _at: datetime) -> Snapshot:
    status = text(refund, "status")
    refs = Refs(
        refund_id=text(refund, "id"),
        payment_intent_id=reference(refund, "payment_intent"),
        charge_id=reference(refund, "charge"),
    )
    failed = status in FAILED_REFUND_STATUSES
    facts = RefundFacts(
        id=text(refund, "id"), amount=amount(refund, "amount"), status=status, currency=currency(refund)
    )
    return Snapshot(BillingType.REFUND_FAILED if failed else BillingType.REFUND_ISSUED, refs, {"refund": facts})


def _map_dispute(dispute: StripeObject, event_type: str, _at: datetime) -> Snapshot:
    status = text(dispute, "status")
    refs = Refs(
        dispute_id=text(dispute, "id"),
        payment_intent_id=reference(dispute, "payment_intent"),
        charge_id=reference(dispute, "charge"),
    )
    facts = DisputeFacts(
        id=text(dispute, "id"),
        status=status,
        amount=optional_amount(dispute, "amount"),
        currency=currency(dispute),
        reason=optional_text(dispute, "reason"),
    )
    opened = event_type == "charge.dispute.created"
    by_status = {"won": BillingType.CHARGEBACK_WON, "lost": BillingType.CHARGEBACK_LOST}
    otherwise = BillingType.CHARGEBACK_OPENED if opened else BillingType.CHARGEBACK_UPDATED
    return Snapshot(by_status.get(status, otherwise), refs, {"dispute": facts})


def _map_fraud_warning(warning: StripeObject, _type: str, _at: datetime) -> Snapshot:
    refs = Refs(charge_id=reference(warning, "charge"), payment_intent_id=reference(warning, "payment_intent"))
    if not (refs.charge_id or refs.payment_intent_id):
        raise malformed("charge", "the charge that the warning is about")
    facts = FraudWarningFacts(
        id=text(warning, "id"),
        fraud_type=optional_text(warning, "fraud_type"),
        actionable=optional_flag(warning, "actionable"),
    )
    return Snapshot(BillingType.FRAUD_WARNING_OBSERVED, refs, {"fraud_warning": facts})


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


def _session_snapshot(
    session: StripeObject,
    *,
    completed_at: datetime | None = None,
    paid_at: datetime | None = None,
    failed_at: datetime | None = None,
    inferred: bool = False,
) -> Snapshot:
    user_id = metadata_user(session)
    if user_id is not None and claimed_reference(session) not in {None, user_id}:
        raise Unmappable("contradicting_user", "client_reference_id names another user than metadata.userId.")
    facts = CheckoutSessionFacts(
        id=text(session, "id"),
        status=optional_text(session, "status"),
        payment_status=text(session, "payment_status"),
        mode=text(session, "mode"),
        amount_subtotal=optional_amount(session, "amount_subtotal"),
        amount_total=optional_amount(session, "amount_total"),
        currency=currency(session),
        livemode=flag(session, "livemode", absent=False),
        payment_link=session.get("payment_link") is not None,
        product_key=metadata(session, "productKey"),
        created_at=optional_moment(session, "created"),
        completed_at=completed_at,
        paid_at=paid_at,
        failed_at=failed_at,
        paid_at_inferred=inferred,
    )
    refs = Refs(
        checkout_session_id=facts.id,
        payment_intent_id=reference(session, "payment_intent"),
        charge_id=_latest_charge_id(session),
        customer_id=reference(session, "customer"),
    )
    return Snapshot(_session_type(facts), refs, {"checkout_session": facts}, user_id)


def _session_type(facts: CheckoutSessionFacts) -> BillingType:
    if facts.paid_at:
        return BillingType.PURCHASE_SUCCEEDED
    if facts.failed_at:
        return BillingType.PURCHASE_FAILED
    if facts.status == "expired":
        return BillingType.PURCHASE_EXPIRED
    return BillingType.PURCHASE_PENDING


def _latest_charge_id(session: StripeObject) -> str | None:
    intent = expanded(session, "payment_intent")
    return reference(intent, "latest_charge") if intent else None


def _money_moved_at(charge: StripeObject | None) -> datetime | None:
    transaction = expanded(charge, "balance_transaction") if charge else None
    return moment(transaction, "created") if transaction else None


def _charge_snapshot(charge: StripeObject, canonical: BillingType) -> Snapshot:
    facts = ChargeFacts(
        id=text(charge, "id"),
        amount=amount(charge, "amount"),
        amount_refunded=amount(charge, "amount_refunded"),
        currency=currency(charge),
        paid=flag(charge, "paid", absent=True),
    )
    refs = Refs(
        charge_id=facts.id,
        payment_intent_id=reference(charge, "payment_intent"),
        customer_id=reference(charge, "customer"),
    )
    return Snapshot(canonical, refs, {"charge": facts})


def _read_data(snapshot: Snapshot, occurred_at: datetime, observed_at: datetime, arrival: Arrival) -> BillingData:
    """A read has no event id: the object, the second it was read in and what it said identify it."""
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
