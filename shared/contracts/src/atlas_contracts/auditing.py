"""What ``./atlas audit`` reports to the entitlements service, which keeps the last result for its metrics."""

from __future__ import annotations

from pydantic import Field

from atlas_contracts.model import Instant, WireModel


class AuditReport(WireModel):
    """``POST /operator/audits``: how many differences an audit of everybody found, by kind."""

    paid_not_pro: int = Field(ge=0)
    pro_not_paid: int = Field(ge=0)
    second_payments: int = Field(ge=0)
    users: int = Field(ge=0, description="users that were compared")

    @property
    def clean(self) -> bool:
        """Whether nobody was wrong."""
        return not (self.paid_not_pro or self.pro_not_paid or self.second_payments)


class KeptAudit(WireModel):
    """The last audit of everybody, and when the last one without a difference was."""

    at: Instant
    last_clean_at: Instant | None
    report: AuditReport
