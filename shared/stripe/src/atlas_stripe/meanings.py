"""The facts in one Stripe object, whether it came in an event (``mapping``) or by our own read (``reads``).

Pure. Every function raises Unmappable for an object that lacks what its type must have.
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
    """The facts in one object, with the canonical event type, the ids of related objects, and the user."""

    type: BillingType
    refs: Refs
    facts: Mapping[str, WireModel]
    """By the name of the field of BillingData for it."""
    user_id: str | None = None


def session_meaning(
    session: StripeObject,
    *,
    completed_at: datetime | None = None,
    paid_at: datetime | None = None,
    failed_at: datetime | None = None,
    inferred: bool = False,
) -> Meaning:
    """The facts in a checkout session. The session has none of these times: they come from the event, or are inferred.

    ``inferred``: the times were inferred from a read. Raises Unmappable also if the session names two users.
    """
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
    """The facts in a charge. ``canonical``: ``refund_issued`` if it came in an event, ``charge_observed`` if read."""
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
    """The facts in a refund: ``refund_failed`` if it failed or was canceled, else ``refund_issued``."""
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
    """The facts in a dispute: ``chargeback_won`` or ``chargeback_lost`` by its status.

    With another status it is ``chargeback_opened`` if the event was its opening (``opened``), else
    ``chargeback_updated``.
    """
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
    """The facts in the card network's warning about a charge."""
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
    """The canonical event. Its id consists of the provider's event id and the canonical type, so it is always the same
    for the same event.
    """
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
