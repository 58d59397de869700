"""The envelope and the shapes of the public API (the existing web client depends on them byte for byte)."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from atlas_contracts.entitlements import Source, Status
from atlas_contracts.model import Instant, WireModel

DataT = TypeVar("DataT")


class ErrorCode(StrEnum):
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
    code: ErrorCode
    message: str
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
    """The entitlement inside restore's and confirm's answers."""

    is_pro: bool
    status: Status
    source: Source | None
    updated_at: Instant | None


class RestoreRequest(WireModel):
    model_config = ConfigDict(extra="forbid")
    trigger: Literal["account"]


NotEligible = Literal[
    "refunded", "chargeback_lost", "payment_pending", "needs_review", "free_checkout", "revoked_by_operator"
]


class RestoreResult(WireModel):
    outcome: Literal["restored", "already_active", "not_found", "not_eligible"]
    reason: NotEligible | None = Field(default=None, description="only with not_eligible; the key is absent otherwise")
    entitlement: EntitlementSummary


class CheckoutRequest(WireModel):
    source: str | None = None


class RedirectTarget(WireModel):
    """Where to send the browser: a hosted page. The URL is a bearer credential: never log it."""

    url: str


class ConfirmRequest(WireModel):
    model_config = ConfigDict(extra="forbid")
    checkout_session_id: str = Field(pattern=r"^cs_[A-Za-z0-9_]{1,250}$")


class ConfirmResult(WireModel):
    outcome: Literal["active", "processing", "not_paid", "needs_review"]
    reason: Literal["refunded", "chargeback_lost", "free_checkout", "revoked_by_operator"] | None = Field(
        default=None, description="why not_paid, where money or a coupon was there; the key is absent otherwise"
    )
    entitlement: EntitlementSummary


class PaymentState(WireModel):
    state: Literal["processing", "failed", "needs_review"]
    since: Instant = Field(description="when the session was completed at Stripe")


class BillingOverview(WireModel):
    """``GET /api/billing/overview`` for the account page."""

    entitlement: Entitlement
    payment: PaymentState | None
    can_manage_billing: bool


class WebhookReceipt(WireModel):
    """What Stripe hears."""

    received: Literal[True] = True
    ignored: bool
    appended: bool | None = None
    dedupe_reason: Literal["provider_event_id"] | None = None


class Health(WireModel):
    status: Literal["ok"] = "ok"
    timestamp: Instant
    uptime_seconds: float
