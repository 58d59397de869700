"""Bodies of requests and answers between the services. Under ``/internal`` the user is the subject of the token."""

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

PAYMENT_ACTIONS = frozenset({"revoke_payment", "undo_revoke_payment"})
"""Actions of an adjustment that are about one payment."""

PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
"""Text without control characters, which Postgres (U+0000) or HTTP headers could not hold."""
EventId = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=PRINTABLE)]


class EntitlementView(WireModel):
    """A user's entitlement. ``version`` 0 means that nothing is known about the user; else see EntitlementData."""

    user_id: str
    is_pro: bool
    status: Status
    source: Source | None
    active_from: Instant | None
    active_until: Instant | None
    version: int
    reason: str | None
    updated_at: Instant | None = Field(description="when the entitlement changed last; null with version 0")
    request_id: str | None = Field(default=None, description="id of the request whose fact changed it last")

    def public(self) -> Entitlement:
        """The entitlement as the public API shows it."""
        return Entitlement(
            is_pro=self.is_pro,
            status=self.status,
            source=self.source,
            restored_at=self.active_from,
            updated_at=self.updated_at,
        )

    def summary(self) -> EntitlementSummary:
        """The entitlement as the answers of restore and confirm show it."""
        told = {name: getattr(self, name) for name in EntitlementSummary.model_fields}
        return EntitlementSummary(**told)


class EntitlementOverview(WireModel):
    """``GET /internal/overview``: the entitlement, and the payment that the user should be told about."""

    entitlement: EntitlementView
    payment: PaymentState | None = Field(description="null when there is no such payment")


class AppliedRequest(WireModel):
    """``POST /internal/applied``: wait until these events are in the ledger and folded."""

    event_ids: list[EventId] = Field(max_length=1000, description="provider:providerEventId:type")
    timeout_ms: int = Field(default=5_000, ge=0, le=20_000, description="longest wait, in milliseconds")


class AppliedResult(WireModel):
    """Answer to ``POST /internal/applied``."""

    applied: bool = Field(description="false when some were still missing after timeoutMs")


class NewsRequest(WireModel):
    """``POST /internal/news`` at entitlements: which of these facts say something that the ledger doesn't know?"""

    facts: list[BillingData] = Field(max_length=500, description="as they would be published")


class NewsResult(WireModel):
    news: list[str] = Field(description="event ids of the facts that say something new")
    forgotten: list[str] = Field(
        default_factory=list, description="event ids of facts of payments whose buyer was forgotten: don't tell them"
    )


class VerdictsRequest(WireModel):
    """``POST /internal/payment-verdicts`` at entitlements: the verdicts on these checkout sessions' payments."""

    checkout_session_ids: list[EventId] = Field(max_length=1000)


class PaymentVerdictView(WireModel):
    """The policy's verdict on one payment, with the same words as ``explain``."""

    checkout_session_id: str
    grants: bool = Field(description="whether the payment makes its buyer Pro now")
    because: str = Field(description="paid, refunded, chargeback_lost, revoked_by_operator …, or why it is refused")
    needs_review: bool = Field(description="it is paid at Stripe and may not grant: a person has to decide")


class PaymentVerdicts(WireModel):
    """Answer to ``POST /internal/payment-verdicts``."""

    payments: list[PaymentVerdictView] = Field(description="without sessions of which the ledger has no fact")


class KnownCustomers(WireModel):
    """``GET /internal/customers`` at entitlements: the Stripe customers and sessions that the user's payments name."""

    customer_ids: list[str] = Field(description="newest first")
    checkout_session_ids: list[str] = Field(default_factory=list, description="in no order; at most 1,000")


class CheckoutSessionRequest(WireModel):
    """``POST /internal/checkout-sessions`` at checkout: a checkout session for the user."""

    source: str = Field(description="the page on which the buyer began")


class CheckoutSessionResult(WireModel):
    """Answer to ``POST /internal/checkout-sessions``."""

    url: str = Field(description="Stripe's page; it gives access to whoever has it: never log it")
    checkout_session_id: str
    reused: bool = Field(description="true when an open session of the user was used again")


class BillingProfile(WireModel):
    """``GET /internal/billing-profile`` at checkout."""

    can_manage_billing: bool = Field(description="true when a Stripe customer is known for the user")


class AdjustmentRequest(WireModel):
    """``POST /operator/adjustments`` at webhook-ingest: an operator grants or revokes Pro, or revokes one payment."""

    user_id: UserId
    action: AdjustmentAction
    payment_id: str | None = Field(
        default=None,
        max_length=255,
        pattern=r"^(pi|cs)_[A-Za-z0-9_]+$",
        description="a payment intent or checkout session; required with the two actions about a payment, else null",
    )
    ticket: str | None = Field(default=None, max_length=255, pattern=PRINTABLE)
    reason: str = Field(min_length=1, max_length=500, pattern=PRINTABLE)
    operator: str | None = Field(default=None, max_length=255, pattern=PRINTABLE)
    approved_by: str | None = Field(default=None, max_length=255, pattern=PRINTABLE)
    idempotency_key: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="the same key makes the same adjustment only once; it becomes a part of the event's id",
    )

    @model_validator(mode="after")
    def _payment_is_named_where_it_is_meant(self) -> Self:
        if (self.payment_id is not None) != (self.action in PAYMENT_ACTIONS):
            raise ValueError("paymentId goes with revoke_payment and undo_revoke_payment, and only with them")
        return self


class ToldAgain(WireModel):
    """``POST /internal/told-again`` at entitlements: an event that came again, to be compared with the first."""

    data: dict[str, Any] = Field(description="the billing event's data as sent")


class ToldAgainResult(WireModel):
    """Answer to ``POST /internal/told-again``."""

    known: bool = Field(description="whether the ledger has an event with this id")
    contradiction: str | None = Field(
        default=None, description="the name of a fact in which the event contradicts the first; null if there is none"
    )


class PullRequest(WireModel):
    """``POST /operator/pull`` at webhook-ingest: read Stripe's list of events. The answer is progress as NDJSON."""

    since_seconds: int | None = Field(
        default=None, ge=1, le=30 * 86_400, description="begin so long ago, in seconds; null: at the cursor"
    )
    dry_run: bool = Field(default=False, description="only count what would be published")


class ChargeResolution(WireModel):
    """Answer to ``POST /internal/charges/{id}/resolve`` at checkout, which reads a charge and publishes its state."""

    event_id: str = Field(description="of the published charge_observed")
    payment_intent_id: str | None = Field(description="null where the charge has none")


class SweepRequest(WireModel):
    """``POST /operator/sweep`` at checkout: read these payments again at Stripe and publish their state."""

    payment_intent_ids: list[str] = Field(default_factory=list, max_length=500)
    checkout_session_ids: list[str] = Field(default_factory=list, max_length=500)


class SweepResult(WireModel):
    """Answer to ``POST /operator/sweep``."""

    payments: int = Field(description="number of payments read")
    facts: int = Field(description="number of facts published about them")
    missing: list[str] = Field(description="ids for which Stripe has no session")
    skipped: list[str] = Field(description="ids of sessions that could not be understood")


class BackfillRequest(WireModel):
    """``POST /operator/backfill`` at checkout: tell what all complete sessions of the account come to; NDJSON."""

    since: Instant | None = Field(default=None, description="sessions made at that moment or later; null: all")
    dry_run: bool = Field(default=False, description="only read and count")
    from_start: bool = Field(default=False, description="don't go on where an unfinished one stopped")
    requests_per_second: float | None = Field(default=None, ge=0.1, le=80, description="at Stripe; null: the setting")


class ProviderPayment(WireModel):
    """One line of ``GET /operator/provider-state`` at checkout: a payment's present state at Stripe."""

    user_id: str
    checkout_session_id: str
    payment_intent_id: str | None
    paid: bool = Field(description="whether it was ever paid")
    amount: int | None = Field(description="minor units")
    amount_refunded: int = Field(description="minor units")
    currency: str | None
    dispute_status: str | None = Field(
        description="lost, if any dispute was lost; else the newest dispute's; null if there is none"
    )
    completed_at: Instant | None = Field(description="when the session was completed; null if it wasn't")
    should_grant: bool = Field(description="whether this payment alone makes its buyer Pro under the policy")
    because: str = Field(description="a stable word: paid, refunded, chargeback_lost, payment_pending …")
    refused: str | None = Field(
        default=None, description="why a paid payment may not grant, so that a person has to review it; else null"
    )


class ProviderStateEnd(WireModel):
    """The last line of ``GET /operator/provider-state``: an answer without it was cut off."""

    done: bool = True
    payments: int = Field(description="number of lines before this one")


class Whose(WireModel):
    """``GET /operator/whose?id=`` at checkout: the user and payment to which an id of Stripe's belongs."""

    known: bool = Field(description="whether Stripe has an object with this id")
    user_id: str | None = None
    checkout_session_id: str | None = None
    payment_intent_id: str | None = None


class ForgetRequest(WireModel):
    """``POST /operator/forget``: at checkout everywhere, at entitlements in ledger and projection alone."""

    user_id: UserId
    even_if_paying: bool = Field(default=False, description="also while a payment of the user is being processed")


class ForgottenPlace(WireModel):
    """One place where the user's id was, or could have been."""

    place: str = Field(description="what was looked at, with its id")
    done: str = Field(description="what was done there, in plain words")
    until: Instant | None = Field(default=None, description="when the last copy there ends; null: none, or no end")


class ForgottenFacts(WireModel):
    """``POST /internal/v1/users/{user}/forget`` at entitlements: ledger and projection know the user no more."""

    facts: int = Field(description="facts that were about the user; the money in them stays, their name is gone")
    entry_removed: bool = Field(default=False, description="the state bucket has no entry of theirs; else it will go")


class ForgottenParked(WireModel):
    """``POST /internal/v1/users/{user}/forget`` at webhook-ingest: no list or redrive has the user's parked events."""

    parked: int = Field(description="parked events that mention the user and were hidden by this request")
    newest: Instant | None = Field(description="when the newest that mentions them was stored; null: none does")


class ForgetResult(WireModel):
    """Answer to ``POST /internal/v1/users/{user}/forget`` and to ``POST /operator/forget`` at checkout."""

    known: bool = Field(default=True, description="false when nothing was known of the user, or nothing any more")
    sessions: int = Field(description="number of checkout sessions from which the user's id was removed")
    facts: int = Field(default=0, description="number of facts in the ledger that were about the user")
    places: list[ForgottenPlace] = Field(default_factory=list, description="every place, and what was done there")
