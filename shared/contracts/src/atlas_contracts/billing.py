"""Canonical billing events: what happened to money, as absolute facts.

An event carries references (which payment it is about) and snapshots of the provider's objects as they stood at
``occurredAt``. Nothing is an increment, so the same facts in any order, any number of times, mean the same.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, ValidationError

from atlas_contracts.cloudevents import SCHEMA_VERSION, CloudEvent
from atlas_contracts.model import Instant, WireModel

PRODUCT_PRO = "pro_lifetime_v1"


class BillingType(StrEnum):
    """The last part of a billing subject: ``billing.v1.<type>``."""

    PURCHASE_INITIATED = "purchase_initiated"
    PURCHASE_PENDING = "purchase_pending"
    PURCHASE_SUCCEEDED = "purchase_succeeded"
    PURCHASE_FAILED = "purchase_failed"
    PURCHASE_EXPIRED = "purchase_expired"
    CHARGE_OBSERVED = "charge_observed"
    REFUND_ISSUED = "refund_issued"
    REFUND_FAILED = "refund_failed"
    CHARGEBACK_OPENED = "chargeback_opened"
    CHARGEBACK_UPDATED = "chargeback_updated"
    CHARGEBACK_WON = "chargeback_won"
    CHARGEBACK_LOST = "chargeback_lost"
    ENTITLEMENT_GRANTED = "entitlement_granted"
    ENTITLEMENT_REVOKED = "entitlement_revoked"
    RESTORE_REQUESTED = "restore_requested"
    RESTORE_SUCCEEDED = "restore_succeeded"
    RESTORE_FAILED = "restore_failed"
    FRAUD_WARNING_OBSERVED = "fraud_warning_observed"


class Provider(StrEnum):
    MANUAL = "manual"
    STRIPE = "stripe"
    IOS_IAP = "ios_iap"
    ANDROID_IAP = "android_iap"


class Via(StrEnum):
    """The door a fact came in by."""

    WEBHOOK = "webhook"
    PULL = "pull"
    CONFIRM = "confirm"
    RESTORE = "restore"
    CHECKOUT = "checkout"
    OPERATOR = "operator"
    BACKFILL = "backfill"
    IMPORT = "import"


OPENED_VIAS = frozenset({Via.BACKFILL, Via.IMPORT})
"""Doors that readers of schema version 2 don't know; they took an event by another door than theirs for none at all."""
SCHEMA_OF_OPENED_VIAS = 3


def schema_version_of(via: str) -> int:
    """The lowest schema version of a reader that understands a fact which came in by this door."""
    return SCHEMA_OF_OPENED_VIAS if via in OPENED_VIAS else 1


class Refs(WireModel):
    """Every provider id that the fact ties together; one shared id makes two facts the same payment's."""

    checkout_session_id: str | None = None
    payment_intent_id: str | None = None
    charge_id: str | None = None
    customer_id: str | None = None
    refund_id: str | None = None
    dispute_id: str | None = None


class CheckoutSessionFacts(WireModel):
    """A checkout session as Stripe shows it. Amounts are in the currency's minor unit."""

    id: str
    status: str | None = Field(description="open, complete or expired")
    payment_status: str = Field(description="paid, unpaid or no_payment_required")
    mode: str
    amount_subtotal: int | None = Field(default=None, description="before taxes and discounts: what the price asks")
    amount_total: int | None = Field(default=None, description="what the buyer pays")
    currency: str | None = None
    livemode: bool
    payment_link: bool = Field(description="true when a payment link made the session, and not our server")
    product_key: str | None = Field(default=None, description="metadata.productKey, set by our server")
    created_at: Instant | None = None
    completed_at: Instant | None = Field(default=None, description="when the buyer completed the session")
    paid_at: Instant | None = Field(default=None, description="when the money came, null while it hasn't")
    failed_at: Instant | None = Field(default=None, description="when a delayed payment failed")
    paid_at_inferred: bool = Field(
        default=False, description="true when paidAt was read off the charge and not told by an event"
    )


class ChargeFacts(WireModel):
    """A charge: the cumulative amount refunded, and the tie between charge and payment intent."""

    id: str
    amount: int
    amount_refunded: int
    currency: str | None = None
    paid: bool = True


class RefundFacts(WireModel):
    """One refund and its status (pending, requires_action, succeeded, failed, canceled)."""

    id: str
    amount: int
    status: str
    currency: str | None = None


class DisputeFacts(WireModel):
    """One dispute and its status (warning_*, needs_response, under_review, appeal_*, won, lost, prevented)."""

    id: str
    status: str
    amount: int | None = None
    currency: str | None = None
    reason: str | None = None


class FraudWarningFacts(WireModel):
    """The card network's early word that a payment may be fraud. It changes no verdict."""

    id: str
    fraud_type: str | None = None
    actionable: bool | None = Field(default=None, description="false once the payment is refunded or disputed")


class Offer(WireModel):
    """What the price asks in one currency, in its minor unit."""

    amount: int
    currency: str


class RecordedSession(WireModel):
    """What the checkout service asked Stripe for when it made a session: what the session must turn out to be."""

    id: str
    amount: int
    currency: str
    offers: tuple[Offer, ...] = Field(
        default=(), description="every currency that the price offers; amount and currency are the price's own"
    )
    price_id: str
    source: str


AdjustmentAction = Literal["grant", "revoke", "revoke_payment", "undo_revoke_payment"]


class ImportedGrant(WireModel):
    """A grant as the app that we replace has it. Absolute: what that app says at a later ``asOf`` takes its place."""

    origin: str = Field(description="the app it comes from: project-atlas")
    active_from: Instant
    active_until: Instant | None = Field(default=None, description="when it ended there; null while it lasts")
    as_of: Instant = Field(description="when that app last changed what it says")


class Adjustment(WireModel):
    """An operator's word: a manual grant or its end, or the end of what one payment grants (and that taken back).

    The two about a payment say so with ``schemaVersion`` 2, and name the payment in the event's ``refs``. A grant
    that was ``imported`` says ``schemaVersion`` 3; its source is the event's ``provider``.
    """

    action: AdjustmentAction
    reason: str
    operator: str | None = None
    ticket: str | None = None
    imported: ImportedGrant | None = None


class RestoreFacts(WireModel):
    trigger: str
    outcome: str | None = None
    reason: str | None = None


class BillingOutline(WireModel):
    """What every schema version says, now and later: enough to keep an event that this code can't read."""

    event_id: str = Field(description="provider:providerEventId:type, for instance stripe:evt_1:purchase_succeeded")
    provider: str
    provider_event_id: str = Field(min_length=1, max_length=255, description="with provider the key of dedupe")
    user_id: str | None = None
    product_key: str = PRODUCT_PRO
    plan_type: str = "one_time"
    occurred_at: Instant
    received_at: Instant
    via: str
    payload_hash: str = Field(description="sha256:<hex> of what the provider said")
    signature_verified: bool
    schema_version: int = Field(default=1, description="the lowest version of a reader that understands this event")
    refs: Refs = Refs()


class BillingData(BillingOutline):
    """``data`` of every billing event."""

    provider: Provider
    plan_type: Literal["one_time", "subscription"] = "one_time"
    via: str = Field(description="the door it came in by, one of an open list", examples=list(Via))
    provider_event_type: str | None = Field(default=None, description="the provider's own name, charge.refunded say")
    idempotency_key: str | None = Field(default=None, description="the key of dedupe of a command")
    checkout_session: CheckoutSessionFacts | None = None
    charge: ChargeFacts | None = None
    refund: RefundFacts | None = None
    dispute: DisputeFacts | None = None
    fraud_warning: FraudWarningFacts | None = None
    recorded_session: RecordedSession | None = None
    adjustment: Adjustment | None = None
    restore: RestoreFacts | None = None


class BillingEvent(CloudEvent[BillingData]):
    """A billing event as it travels on BILLING."""


class KeptEvent(CloudEvent[BillingOutline]):
    """A billing event of a newer schema version: readable enough to be kept, and not to be understood."""


def read_billing_event(payload: bytes | str) -> BillingEvent | KeptEvent:
    """An event off the wire. Raises pydantic.ValidationError when it is none of any version."""
    try:
        return BillingEvent.model_validate_json(payload, strict=True)
    except ValidationError:
        kept = KeptEvent.model_validate_json(payload, strict=True)
        if kept.data.schema_version <= SCHEMA_VERSION:
            raise
        return kept
