"""What one Stripe object says: its canonical type, the ids that tie it to a payment, its facts, and whose it is. Pure.

Every function here raises Unmappable for an object that lacks or garbles what its type must have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from atlas_contracts.billing import (
    BillingType,
    ChargeFacts,
    CheckoutSessionFacts,
    DisputeFacts,
    FraudWarningFacts,
    Refs,
    RefundFacts,
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
class Snapshot:
    """What one object says: the canonical type, the ties, the facts and whose they are."""

    type: BillingType
    refs: Refs
    facts: Mapping[str, WireModel]
    user_id: str | None = None


def session_snapshot(
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


def charge_snapshot(charge: StripeObject, canonical: BillingType) -> Snapshot:
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


def refund_snapshot(refund: StripeObject) -> Snapshot:
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


def dispute_snapshot(dispute: StripeObject, *, opened: bool = False) -> Snapshot:
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
    return Snapshot(by_status.get(status, otherwise), refs, {"dispute": facts})


def fraud_warning_snapshot(warning: StripeObject) -> Snapshot:
    refs = Refs(charge_id=reference(warning, "charge"), payment_intent_id=reference(warning, "payment_intent"))
    if not (refs.charge_id or refs.payment_intent_id):
        raise malformed("charge", "the charge that the warning is about")
    facts = FraudWarningFacts(
        id=text(warning, "id"),
        fraud_type=optional_text(warning, "fraud_type"),
        actionable=optional_flag(warning, "actionable"),
    )
    return Snapshot(BillingType.FRAUD_WARNING_OBSERVED, refs, {"fraud_warning": facts})
