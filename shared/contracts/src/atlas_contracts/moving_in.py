"""What the operator's command asks of the services when another app's users are brought in (``./atlas import``)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from atlas_contracts.internal_api import PRINTABLE
from atlas_contracts.model import Instant, WireModel
from atlas_contracts.user_id import UserId

Origin = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""The name of the app that they come from: project-atlas."""
ImportedSource = Literal["manual", "ios_iap", "android_iap"]


class GrantToImport(WireModel):
    """What another app says of one user's grant: since when, and until when if it has ended there."""

    user_id: UserId
    source: ImportedSource
    active_from: Instant
    active_until: Instant | None = None
    as_of: Instant = Field(description="when that app last changed what it says")
    reason: str = Field(min_length=1, max_length=500, pattern=PRINTABLE, description="that app's own words for it")

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> Self:
        if self.active_until is not None and self.active_until < self.active_from:
            raise ValueError("activeUntil is before activeFrom")
        return self


class ImportGrantsRequest(WireModel):
    """``POST /operator/import-grants`` at webhook-ingest: grants of another app, as facts with their own date."""

    origin: Origin
    grants: list[GrantToImport] = Field(max_length=500)
    dry_run: bool = False


class ImportGrantsResult(WireModel):
    outcomes: list[Literal["new", "known"]] = Field(description="of each grant, in the order asked")
    applied: bool = Field(description="whether all of them have taken effect; false when that took too long")


StripeId = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PRINTABLE)]


class PurchaseClaim(WireModel):
    """What another app says: these customers, sessions and payments at Stripe are this user's. It proves nothing."""

    user_id: UserId
    customer_ids: list[StripeId] = Field(default_factory=list, max_length=1000)
    payment_ids: list[StripeId] = Field(default_factory=list, max_length=10_000, description="cs_ and pi_")


class ImportPurchasesRequest(WireModel):
    """``POST /operator/import-purchases`` at checkout: ask Stripe about these; answers NDJSON."""

    origin: Origin
    claims: list[PurchaseClaim] = Field(max_length=2_500)
    dry_run: bool = False


class ClaimOutcome(WireModel):
    """One line of the answer: what became of one id. ``nothing``: nobody completed that session."""

    user_id: str
    id: str
    outcome: Literal["new", "known", "refused", "nothing"]
    because: str | None = Field(default=None, description="why it is refused, in words")


class ImportProgress(WireModel):
    """A line of the answer: how many of the ids are settled."""

    settled: int


class ImportEnd(WireModel):
    """The last line: without it the answer was cut off."""

    done: bool = True
