"""Entitlement events: what other Atlas services hear when a user's Pro changes."""

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
    """``data`` of every entitlement event: the whole state after the change, not a difference."""

    user_id: str
    product_key: str = PRODUCT_PRO
    is_pro: bool
    status: Status
    source: Source | None
    active_from: Instant | None = Field(description="start of the unbroken time of being Pro")
    active_until: Instant | None = Field(description="when it ended; null while active")
    version: int = Field(ge=1, description="grows by one per change of this user's entitlement")
    reason: str = Field(description="why, in one stable word: purchase, refunded, chargeback_lost …")
    caused_by: str = Field(description="eventId of the billing event that made the change")


class EntitlementEvent(CloudEvent[EntitlementData]):
    """An entitlement event as it travels on ENTITLEMENTS; ``id`` names user, version and cause."""
