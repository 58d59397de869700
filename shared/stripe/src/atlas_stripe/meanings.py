"""What one Stripe object means, whoever tells it: an event (``mapping``) or our own read (``reads``).

Pure. Every function raises Unmappable for an object that makes no sense for its type.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    schema_version_of,
)
from atlas_contracts.model import WireModel
from atlas_stripe.arrival import Arrival
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
    optional_amount,
    optional_flag,
    optional_moment,
    optional_text,
    reference,
    text,
)
from atlas_stripe.statuses import FAILED_REFUND_STATUSES


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one object says: the canonical type, the ids it ties together, the facts, and whose they are."""

    type: BillingType
    refs: Refs
    facts: Mapping[str, WireModel]
    """By the name of the field of BillingData that holds it."""
    user_id: str | None = None


def session_meaning(
    session: StripeObject,
    *,
    completed_at: datetime | None = None,
    paid_at: datetime | None = None,
    failed_at: datetime | None = None,
    inferred: bool = False,
) -> Meaning:
    """A checkout session, with the times that it doesn't say itself: those of the events, or inferred from a read."""
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
    return Meaning(_session_type(facts), refs, {"checkout_session": facts}, user_id)


def charge_meaning(charge: StripeObject, canonical: BillingType) -> Meaning:
    """A charge, under the type its teller gives it: ``refund_issued`` by an event, ``charge_observed`` by a read."""
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
    return Meaning(canonical, refs, {"charge": facts})


def refund_meaning(refund: StripeObject) -> Meaning:
    """``refund_failed`` where it failed or was canceled, else ``refund_issued``."""
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
    return Meaning(BillingType.REFUND_FAILED if failed else BillingType.REFUND_ISSUED, refs, {"refund": facts})


def dispute_meaning(dispute: StripeObject, *, opened: bool = False) -> Meaning:
    """``chargeback_won`` or ``_lost`` by its status; else ``_opened`` where its opening was told, else ``_updated``."""
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
    by_status = {"won": BillingType.CHARGEBACK_WON, "lost": BillingType.CHARGEBACK_LOST}
    otherwise = BillingType.CHARGEBACK_OPENED if opened else BillingType.CHARGEBACK_UPDATED
    return Meaning(by_status.get(status, otherwise), refs, {"dispute": facts})


def fraud_warning_meaning(warning: StripeObject) -> Meaning:
    """The card network's warning about a charge."""
    refs = Refs(charge_id=reference(warning, "charge"), payment_intent_id=reference(warning, "payment_intent"))
    if not (refs.charge_id or refs.payment_intent_id):
        raise malformed("charge", "the charge that the warning is about")
    facts = FraudWarningFacts(
        id=text(warning, "id"),
        fraud_type=optional_text(warning, "fraud_type"),
        actionable=optional_flag(warning, "actionable"),
    )
    return Meaning(BillingType.FRAUD_WARNING_OBSERVED, refs, {"fraud_warning": facts})


def billing_data(
    meaning: Meaning, provider_event_id: str, provider_event_type: str, occurred_at: datetime, arrival: Arrival
) -> BillingData:
    """The canonical event. Its id is made of the provider's event id and the type: the same event has the same id."""
    return BillingData(
        event_id=f"{Provider.STRIPE}:{provider_event_id}:{meaning.type}",
        provider=Provider.STRIPE,
        provider_event_id=provider_event_id,
        provider_event_type=provider_event_type,
        user_id=meaning.user_id,
        occurred_at=occurred_at,
        received_at=arrival.received_at,
        via=arrival.via,
        payload_hash=arrival.payload_hash,
        signature_verified=arrival.signature_verified,
        schema_version=schema_version_of(arrival.via),
        refs=meaning.refs,
        **meaning.facts,  # keys name fact fields of BillingData
    )


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
