"""How and when a fact reached us."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from atlas_contracts.billing import Via


@dataclass(frozen=True, slots=True)
class Arrival:
    """How an event or object reached us. None of this is in Stripe's object itself."""

    via: Via
    received_at: datetime
    payload_hash: str
    """``sha256:<hex>`` of what Stripe sent."""
    signature_verified: bool
    """True only for a webhook, whose signature was checked."""
