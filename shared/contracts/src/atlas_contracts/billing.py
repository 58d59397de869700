"""Canonical billing events: what happened to a payment, as absolute facts.

An event has references (which payment it is about) and snapshots: the state of the provider's objects at
``occurredAt``. No value is an increment, so the same events in any order, any number of times, give the same result.
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
    """Where a fact comes from: an operator (``manual``), Stripe, or an app store."""

    MANUAL = "manual"
    STRIPE = "stripe"
    IOS_IAP = "ios_iap"
    ANDROID_IAP = "android_iap"


class Via(StrEnum):
    """The way in which a fact reached us."""

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
    """The provider's ids of the objects that the fact is about; null where there is none or it isn't known.

    Two facts that share one of these ids, other than the customer's, are about the same payment.
    """

    checkout_session_id: str | None = None
    payment_intent_id: str | None = None
    charge_id: str | None = None
    customer_id: str | None = None
    refund_id: str | None = None
    dispute_id: str | None = None


class CheckoutSessionFacts(WireModel):
    """A checkout session as Stripe shows it. Amounts are in the currency's minor unit (cents)."""

    id: str
    status: str | None = Field(description="open, complete or expired")
    payment_status: str = Field(description="paid, unpaid or no_payment_required")
    mode: str = Field(description="payment (once), subscription or setup")
    amount_subtotal: int | None = Field(
        default=None, description="the price before taxes and discounts; null where Stripe shows none"
    )
    amount_total: int | None = Field(
        default=None, description="what the buyer pays, with taxes and discounts; null where Stripe shows none"
    )
    currency: str | None = Field(default=None, description="three letters in lower case, as Stripe writes it")
    livemode: bool = Field(description="false for Stripe's test mode, where no real money moves")
    payment_link: bool = Field(description="true when a payment link made the session, and not our server")
    product_key: str | None = Field(
        default=None, description="metadata.productKey, which our server sets; null where it is missing"
    )
    created_at: Instant | None = None
    completed_at: Instant | None = Field(default=None, description="when the buyer completed the session")
    paid_at: Instant | None = Field(default=None, description="when it was paid, null while it isn't")
    failed_at: Instant | None = Field(default=None, description="when a delayed payment failed, null if it didn't")
    paid_at_inferred: bool = Field(
        default=False, description="true when paidAt was inferred from the charge, and no event stated it"
    )


class ChargeFacts(WireModel):
    """A charge as Stripe shows it. Amounts are in the currency's minor unit."""

    id: str
    amount: int
    amount_refunded: int = Field(description="the sum of everything refunded so far")
    currency: str | None = None
    paid: bool = Field(default=True, description="false for a charge that failed")


class RefundFacts(WireModel):
    """One refund as Stripe shows it."""

    id: str
    amount: int = Field(description="minor units")
    status: str = Field(description="pending, requires_action, succeeded, failed or canceled")
    currency: str | None = None


class DisputeFacts(WireModel):
    """One dispute, or an inquiry (its status begins with warning_), as Stripe shows it."""

    id: str
    status: str = Field(description="warning_*, needs_response, under_review, appeal_*, won, lost or prevented")
    amount: int | None = Field(default=None, description="minor units")
    currency: str | None = None
    reason: str | None = Field(default=None, description="Stripe's word for the bank's reason, fraudulent for instance")


class FraudWarningFacts(WireModel):
    """The card network's early warning that a payment may be fraud. It changes no verdict."""

    id: str
    fraud_type: str | None = Field(default=None, description="Stripe's word, misc or unauthorized_use_of_card say")
    actionable: bool | None = Field(default=None, description="false once the payment is refunded or disputed")


class Offer(WireModel):
    """What the price charges in one currency."""

    amount: int = Field(description="minor units")
    currency: str


class RecordedSession(WireModel):
    """What the checkout service asked for when it made a session at Stripe. A paid session is compared with it."""

    id: str
    amount: int = Field(description="in the price's main currency, minor units")
    currency: str = Field(description="the price's main currency")
    offers: tuple[Offer, ...] = Field(
        default=(), description="the price in every currency it has; empty in records of older versions"
    )
    price_id: str
    source: str = Field(description="the page on which the buyer began, as the client named it")


AdjustmentAction = Literal["grant", "revoke", "revoke_payment", "undo_revoke_payment"]


class ImportedGrant(WireModel):
    """A grant as the app that we replace has it. Absolute: what that app says at a later ``asOf`` takes its place."""

    origin: str = Field(description="the app it comes from: project-atlas")
    active_from: Instant
    active_until: Instant | None = Field(default=None, description="when it ended there; null while it lasts")
    as_of: Instant = Field(description="when that app last changed what it says")


class Adjustment(WireModel):
    """An operator's decision: grant or revoke Pro, or revoke what one payment grants, or undo that.

    An event about one payment has ``schemaVersion`` 2, and names the payment in its ``refs``. A grant that was
    ``imported`` has ``schemaVersion`` 3; its source is the event's ``provider``.
    """

    action: AdjustmentAction
    reason: str = Field(description="why, in the operator's words")
    operator: str | None = Field(default=None, description="who did it, where that was given")
    ticket: str | None = Field(default=None, description="the support ticket, where one was given")
    approved_by: str | None = Field(default=None, description="who approved it, where two people were needed")
    imported: ImportedGrant | None = Field(default=None, description="null where an operator said it")


class RestoreFacts(WireModel):
    """A user's request to restore a purchase, and what came of it."""

    trigger: str = Field(description="where it was asked: account, by the user; support-desk, by an operator")
    outcome: str | None = Field(default=None, description="null while the restore is running")
    reason: str | None = Field(default=None, description="why nothing was restored, in one stable word")


class BillingOutline(WireModel):
    """The fields that events of every schema version have: enough to store an event that this code can't read."""

    event_id: str = Field(description="provider:providerEventId:type, for instance stripe:evt_1:purchase_succeeded")
    provider: str
    provider_event_id: str = Field(
        min_length=1, max_length=255, description="with provider the key by which a repetition is recognized"
    )
    user_id: str | None = Field(default=None, description="null where the event names no user")
    product_key: str = PRODUCT_PRO
    plan_type: str = "one_time"
    occurred_at: Instant = Field(description="when it happened, by the provider's clock")
    received_at: Instant = Field(description="when it reached us, by our clock")
    via: str
    payload_hash: str = Field(description="sha256:<hex> of the body that the provider sent")
    signature_verified: bool = Field(description="true only for a webhook, whose signature was checked")
    schema_version: int = Field(default=1, description="the lowest schema version whose readers understand this event")
    refs: Refs = Refs()


class BillingData(BillingOutline):
    """``data`` of every billing event."""

    provider: Provider
    plan_type: Literal["one_time", "subscription"] = "one_time"
    via: str = Field(description="the door it came in by, one of an open list", examples=list(Via))
    provider_event_type: str | None = Field(default=None, description="the provider's own name: charge.refunded, say")
    idempotency_key: str | None = Field(default=None, description="of an operator's command: makes it happen only once")
    checkout_session: CheckoutSessionFacts | None = None
    charge: ChargeFacts | None = None
    refund: RefundFacts | None = None
    dispute: DisputeFacts | None = None
    fraud_warning: FraudWarningFacts | None = None
    recorded_session: RecordedSession | None = None
    adjustment: Adjustment | None = None
    restore: RestoreFacts | None = None


class BillingEvent(CloudEvent[BillingData]):
    """A billing event as sent on the stream BILLING."""


class KeptEvent(CloudEvent[BillingOutline]):
    """A billing event of a newer schema version, of which only the outline is read, so that it can be stored."""


def read_billing_event(payload: bytes | str) -> BillingEvent | KeptEvent:
    """The event in ``payload`` (JSON). Raises pydantic.ValidationError when it is no billing event of any version."""
    try:
        return BillingEvent.model_validate_json(payload, strict=True)
    except ValidationError:
        kept = KeptEvent.model_validate_json(payload, strict=True)
        if kept.data.schema_version <= SCHEMA_VERSION:
            raise
        return kept
