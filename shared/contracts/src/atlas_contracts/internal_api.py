"""What the services ask each other over HTTP. Under ``/internal`` the user comes from the token and nowhere else."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from atlas_contracts.billing import AdjustmentAction, BillingData
from atlas_contracts.entitlements import Source, Status
from atlas_contracts.model import Instant, WireModel
from atlas_contracts.public_api import Entitlement, EntitlementSummary, PaymentState
from atlas_contracts.user_id import UserId

ENTITLEMENTS_SERVICE = "entitlements"
CHECKOUT_SERVICE = "checkout"
GATEWAY_SERVICE = "account-gateway"
INGEST_SERVICE = "webhook-ingest"
OPERATOR = "operator"
"""Issuer (and subject) of the command line's tokens."""


PAYMENT_ACTIONS = frozenset({"revoke_payment", "undo_revoke_payment"})

PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
"""What databases and headers can hold."""
EventId = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=PRINTABLE)]


class EntitlementView(WireModel):
    """The projection's row of one user; version 0 means that nothing is known about them."""

    user_id: str
    is_pro: bool
    status: Status
    source: Source | None
    active_from: Instant | None
    active_until: Instant | None
    version: int
    reason: str | None
    updated_at: Instant | None

    def public(self) -> Entitlement:
        return Entitlement(
            is_pro=self.is_pro,
            status=self.status,
            source=self.source,
            restored_at=self.active_from,
            updated_at=self.updated_at,
        )

    def summary(self) -> EntitlementSummary:
        return EntitlementSummary(
            is_pro=self.is_pro, status=self.status, source=self.source, updated_at=self.updated_at
        )


class EntitlementOverview(WireModel):
    """``GET /internal/overview``: entitlement, what the newest unfinished payment does, and why not Pro."""

    entitlement: EntitlementView
    payment: PaymentState | None


class AppliedRequest(WireModel):
    """``POST /internal/applied``: wait until these events are in the ledger and folded."""

    event_ids: list[EventId] = Field(max_length=1000)
    timeout_ms: int = Field(default=5_000, ge=0, le=20_000)


class AppliedResult(WireModel):
    applied: bool = Field(description="false when the time was up before all were there")


class NewsRequest(WireModel):
    """``POST /internal/news`` at entitlements: which of these facts say something that the ledger doesn't know?"""

    facts: list[BillingData] = Field(max_length=500, description="as they would be published")


class NewsResult(WireModel):
    news: list[str] = Field(description="event ids of the facts that say something new")
    forgotten: list[str] = Field(
        default_factory=list, description="event ids of facts of payments whose buyer was forgotten: don't tell them"
    )


class VerdictsRequest(WireModel):
    """``POST /internal/payment-verdicts`` at entitlements: what these checkout sessions' payments come to."""

    checkout_session_ids: list[EventId] = Field(max_length=1000)


class PaymentVerdictView(WireModel):
    """The policy's verdict on one payment, in the words of ``explain``."""

    checkout_session_id: str
    grants: bool
    because: str = Field(description="paid, refunded, chargeback_lost, revoked_by_operator …, or why it isn't ours")
    needs_review: bool = Field(description="Stripe says paid, and the session may not grant: somebody's money")


class PaymentVerdicts(WireModel):
    payments: list[PaymentVerdictView] = Field(description="sessions that no fact tells of are left out")


class KnownCustomers(WireModel):
    """``GET /internal/customers`` at entitlements: the Stripe customers named by facts of the user's payments."""

    customer_ids: list[str] = Field(description="newest first")


class CheckoutSessionRequest(WireModel):
    source: str


class CheckoutSessionResult(WireModel):
    url: str
    checkout_session_id: str
    reused: bool


class BillingProfile(WireModel):
    can_manage_billing: bool = Field(description="true when a Stripe customer is known for the user")


class AdjustmentRequest(WireModel):
    """``POST /operator/adjustments`` at webhook-ingest."""

    user_id: UserId
    action: AdjustmentAction
    payment_id: str | None = Field(
        default=None,
        max_length=255,
        pattern=r"^(pi|cs)_[A-Za-z0-9_]+$",
        description="a payment intent or checkout session: with the two actions about a payment, and only with them",
    )
    ticket: str | None = Field(default=None, max_length=255, pattern=PRINTABLE)
    reason: str = Field(min_length=1, max_length=500, pattern=PRINTABLE)
    operator: str | None = Field(default=None, max_length=255, pattern=PRINTABLE)
    idempotency_key: str = Field(
        min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$", description="becomes a part of the event's id"
    )

    @model_validator(mode="after")
    def _payment_is_named_where_it_is_meant(self) -> Self:
        if (self.payment_id is not None) != (self.action in PAYMENT_ACTIONS):
            raise ValueError("paymentId goes with revoke_payment and undo_revoke_payment, and only with them")
        return self


class ToldAgain(WireModel):
    """``POST /internal/told-again`` at entitlements: a provider's event whose id the broker has seen before."""

    data: dict[str, Any] = Field(description="the billing event's data as it travels")


class ToldAgainResult(WireModel):
    known: bool = Field(description="whether the ledger holds the first event of this id")
    contradiction: str | None = Field(default=None, description="a fact in which this one contradicts the first")


class PullRequest(WireModel):
    """``POST /operator/pull`` at webhook-ingest; answers NDJSON progress."""

    since_seconds: int | None = Field(default=None, ge=1, le=30 * 86_400)
    dry_run: bool = False


class ChargeResolution(WireModel):
    """``POST /internal/charges/{id}/resolve`` at checkout: the charge was read and published as ``charge_observed``."""

    event_id: str
    payment_intent_id: str | None


class SweepRequest(WireModel):
    """``POST /operator/sweep`` at checkout: read these payments again and publish what Stripe says of them."""

    payment_intent_ids: list[str] = Field(default_factory=list, max_length=500)
    checkout_session_ids: list[str] = Field(default_factory=list, max_length=500)


class SweepResult(WireModel):
    payments: int = Field(description="payments read")
    facts: int = Field(description="facts published about them")
    missing: list[str] = Field(description="ids that Stripe has no session for")
    skipped: list[str] = Field(description="sessions that make no sense")


class BackfillRequest(WireModel):
    """``POST /operator/backfill`` at checkout: tell what all complete sessions of the account come to; NDJSON."""

    since: Instant | None = Field(default=None, description="sessions made at that moment or later; null: all")
    dry_run: bool = Field(default=False, description="only read and count")
    from_start: bool = Field(default=False, description="don't go on where an unfinished one stopped")
    requests_per_second: float | None = Field(default=None, ge=0.1, le=80, description="at Stripe; null: the setting")


class ProviderPayment(WireModel):
    """One line of ``GET /operator/provider-state`` at checkout: a payment's final state as Stripe has it."""

    user_id: str
    checkout_session_id: str
    payment_intent_id: str | None
    paid: bool = Field(description="money came at some time")
    amount: int | None = Field(description="minor units")
    amount_refunded: int
    currency: str | None
    dispute_status: str | None = Field(description="lost, if any was lost; else that of the newest dispute")
    completed_at: Instant | None
    should_grant: bool = Field(description="whether the policy makes its buyer Pro, for this payment alone")
    because: str = Field(description="a stable word: paid, refunded, chargeback_lost, payment_pending …")
    refused: str | None = Field(
        default=None, description="paid, and it may not grant: the policy's reason; money of somebody's to look after"
    )


class ProviderStateEnd(WireModel):
    """The last line: without it the answer was cut off."""

    done: bool = True
    payments: int


class Whose(WireModel):
    """``GET /operator/whose?id=`` at checkout: what Stripe knows of an id of its own."""

    known: bool
    user_id: str | None = None
    checkout_session_id: str | None = None
    payment_intent_id: str | None = None


class ForgetRequest(WireModel):
    """``POST /operator/forget`` at checkout: take a user out of its database and of what we wrote at Stripe."""

    user_id: UserId
    even_if_paying: bool = Field(default=False, description="also while a payment of theirs is being processed")


class ForgottenPlace(WireModel):
    place: str = Field(description="what was looked at, with its id")
    done: str = Field(description="what was done there, in plain words")


class ForgetResult(WireModel):
    sessions: int = Field(description="checkout sessions that no longer say whose they were")
    places: list[ForgottenPlace] = Field(default_factory=list, description="every place, and what was done there")
