"""What the support desk asks of the services, beside what every operator's command asks."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from atlas_contracts.internal_api import PRINTABLE
from atlas_contracts.model import Instant, WireModel
from atlas_contracts.user_id import UserId

Short = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PRINTABLE)]
PaymentId = Annotated[str, StringConstraints(max_length=255, pattern=r"^(pi|cs)_[A-Za-z0-9_]+$")]
WaitingId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{8,64}$")]


class BuyersWanted(WireModel):
    """``POST /operator/find-buyers`` at checkout: exactly one of these. An e-mail is asked of Stripe and not kept."""

    email: Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$")] | (
        None
    ) = None
    invoice_number: Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")] | (
        None
    ) = None
    payment_link: Annotated[str, StringConstraints(max_length=255, pattern=r"^plink_[A-Za-z0-9_]+$")] | None = None
    fraud_warning: Annotated[str, StringConstraints(max_length=255, pattern=r"^issfr_[A-Za-z0-9_]+$")] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (
            sum(value is not None for value in (self.email, self.invoice_number, self.payment_link, self.fraud_warning))
            != 1
        ):
            raise ValueError("exactly one of email, invoiceNumber, paymentLink and fraudWarning")
        return self


class Buyers(WireModel):
    """Answer to ``POST /operator/find-buyers``."""

    known: bool = Field(description="whether Stripe knows a customer, session, invoice or warning like that")
    user_ids: list[str] = Field(default_factory=list, description="whose they are, without repetition")
    more: bool = Field(default=False, description="whether Stripe has more of them than were looked at")


class ReadPaymentsRequest(WireModel):
    """``POST /operator/read-payments`` at checkout: read one user's payments at Stripe again, and publish them."""

    user_id: UserId


class RevokeWanted(WireModel):
    """``POST /operator/waiting-revokes`` at entitlements: a revoke that another person has to approve."""

    id: WaitingId = Field(description="chosen by who asks: the same id again asks for nothing new")
    user_id: UserId
    payment_id: PaymentId | None = Field(default=None, description="null: the operator's grant")
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=PRINTABLE)]
    ticket: Short
    requested_by: Short = Field(description="the e-mail of who asks for it")


class DecidedBy(WireModel):
    """``POST /operator/waiting-revokes/{id}/approve`` and ``…/withdraw``."""

    by: Short = Field(description="the e-mail of who approves or withdraws")


class WaitingRevoke(WireModel):
    """A revoke that waits. It is done once the ledger has the fact that its approval is published as."""

    id: str
    user_id: str
    payment_id: str | None
    reason: str
    ticket: str
    requested_by: str
    requested_at: Instant
    approved_by: str | None = Field(description="set while the approved revoke is on its way into the ledger")


class WaitingRevokes(WireModel):
    """Answer to ``GET /operator/waiting-revokes``, oldest first."""

    revokes: list[WaitingRevoke]


Count = Annotated[int, Field(ge=0, le=10**12)]


class AuditDone(WireModel):
    """``POST /operator/audits`` at entitlements: the result of an audit of everybody, in numbers."""

    by: Short | None = None
    users: Count = Field(description="how many were compared")
    paid_not_pro: Count
    pro_not_paid: Count
    second_payments: Count


class LastAudit(AuditDone):
    """What ``GET /operator/support`` at entitlements tells of the last audit."""

    at: Instant
    last_clean_at: Instant | None = Field(default=None, description="when an audit last found nobody wrong")


WAITING_PREFIX = "waiting-"
"""A waiting revoke is published under its id behind this, as the idempotency key: two approvals make one fact."""
