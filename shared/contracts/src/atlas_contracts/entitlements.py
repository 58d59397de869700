"""Entitlement events: published when a user's entitlement to Pro changes, for other Atlas services."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from atlas_contracts.billing import PRODUCT_PRO
from atlas_contracts.cloudevents import CloudEvent
from atlas_contracts.model import Instant, WireModel

Status = Literal["none", "active", "revoked"]
Source = Literal["manual", "stripe", "ios_iap", "android_iap"]


class EntitlementType(StrEnum):
    """The last part of an entitlement subject: ``entitlements.v1.<type>``."""

    GRANTED = "entitlement_granted"
    UPDATED = "entitlement_updated"
    REVOKED = "entitlement_revoked"


class EntitlementData(WireModel):
    """``data`` of every entitlement event: the whole state after the change."""

    user_id: str
    product_key: str = PRODUCT_PRO
    is_pro: bool
    status: Status = Field(description="none: never Pro; active: Pro; revoked: was Pro and isn't any more")
    source: Source | None = Field(description="what gives, or gave, Pro; null with status none")
    active_from: Instant | None = Field(
        description="start of the newest time of being Pro without a gap; null with status none"
    )
    active_until: Instant | None = Field(description="when that time ended; null while active, and with status none")
    version: int = Field(ge=1, description="grows by one with each change of this user's entitlement")
    reason: str = Field(description="why, in one stable word: purchase, refunded, chargeback_lost …")
    caused_by: str = Field(description="eventId of the billing event that made the change")


class EntitlementEvent(CloudEvent[EntitlementData]):
    """An entitlement event as sent on the stream ENTITLEMENTS; ``id`` names user, version and cause."""
