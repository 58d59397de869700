"""The envelope, requests and answers of the public API. The existing web client depends on them byte for byte."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from atlas_contracts.entitlements import Source, Status
from atlas_contracts.model import Instant, WireModel

DataT = TypeVar("DataT")


class ErrorCode(StrEnum):
    """What kind of error it is, in one stable word."""

    INVALID_REQUEST = "invalid_request"
    RATE_LIMITED = "rate_limited"
    NOT_FOUND = "not_found"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    INTERNAL_ERROR = "internal_error"


class Recovery(StrEnum):
    """What the client should do next."""

    NONE = "none"
    RETRY = "retry"
    RETRY_LATER = "retry_later"
    REAUTH = "reauth"
    UPDATE_INPUT = "update_input"


DEFAULT_RECOVERY = {
    ErrorCode.RATE_LIMITED: Recovery.RETRY_LATER,
    ErrorCode.UNAUTHORIZED: Recovery.REAUTH,
    ErrorCode.FORBIDDEN: Recovery.NONE,
    ErrorCode.INVALID_REQUEST: Recovery.UPDATE_INPUT,
    ErrorCode.INTERNAL_ERROR: Recovery.RETRY,
    ErrorCode.NOT_FOUND: Recovery.NONE,
}


class ErrorBody(BaseModel):
    """What went wrong, and what the client can do."""

    code: ErrorCode
    message: str = Field(description="a sentence that may be shown to the user")
    recovery: Recovery


class ErrorEnvelope(BaseModel):
    """Every error answer."""

    ok: Literal[False] = False
    error: ErrorBody


class Success(BaseModel, Generic[DataT]):
    """Every success answer."""

    model_config = ConfigDict(frozen=True)

    ok: Literal[True] = True
    data: DataT


class Entitlement(WireModel):
    """``GET /api/pro/entitlement``: exactly these five keys."""

    is_pro: bool
    status: Status
    source: Source | None
    restored_at: Instant | None = Field(description="start of the current entitlement (historical name)")
    updated_at: Instant | None


class EntitlementSummary(WireModel):
    """The entitlement inside the answers of restore and confirm."""

    is_pro: bool
    status: Status
    source: Source | None
    updated_at: Instant | None


class RestoreRequest(WireModel):
    """``POST /api/pro/restore``."""

    model_config = ConfigDict(extra="forbid")
    trigger: Literal["account"]


NotEligible = Literal[
    "refunded", "chargeback_lost", "payment_pending", "needs_review", "free_checkout", "revoked_by_operator"
]


class RestoreResult(WireModel):
    """What a restore found."""

    outcome: Literal["restored", "already_active", "not_found", "not_eligible"]
    reason: NotEligible | None = Field(default=None, description="only with not_eligible; the key is absent otherwise")
    entitlement: EntitlementSummary


class CheckoutRequest(WireModel):
    """``POST /api/billing/stripe/checkout``."""

    source: str | None = Field(default=None, description="the page on which the buyer began")


class RedirectTarget(WireModel):
    """Where to send the browser: a page at Stripe. The URL gives access to whoever has it: never log it."""

    url: str


class ConfirmRequest(WireModel):
    """``POST /api/billing/stripe/confirm``, after the buyer's return from Stripe."""

    model_config = ConfigDict(extra="forbid")
    checkout_session_id: str = Field(pattern=r"^cs_[A-Za-z0-9_]{1,250}$")


class ConfirmResult(WireModel):
    """What became of the checkout session."""

    outcome: Literal["active", "processing", "not_paid", "needs_review"]
    reason: Literal["refunded", "chargeback_lost", "free_checkout", "revoked_by_operator"] | None = Field(
        default=None, description="why not_paid, if it was paid once or a coupon made it free; else the key is absent"
    )
    entitlement: EntitlementSummary


class PaymentState(WireModel):
    """A payment that is not simply done. needs_review: it is paid and may not grant, so a person has to decide."""

    state: Literal["processing", "failed", "needs_review"]
    since: Instant = Field(description="when the session was completed at Stripe")


class BillingOverview(WireModel):
    """``GET /api/billing/overview``, for the account page."""

    entitlement: Entitlement
    payment: PaymentState | None = Field(
        description="the payment that the user should know about; null if there is none"
    )
    can_manage_billing: bool = Field(description="true when the billing portal can be opened for the user")


class WebhookReceipt(WireModel):
    """The answer to a webhook of Stripe."""

    received: Literal[True] = True
    ignored: bool = Field(description="true for an event that isn't ours or isn't needed")
    appended: bool | None = Field(default=None, description="false for an event that came before; absent when ignored")
    dedupe_reason: Literal["provider_event_id"] | None = None


class Health(WireModel):
    """``GET /api/health``."""

    status: Literal["ok"] = "ok"
    timestamp: Instant
    uptime_seconds: float
