"""The dependencies of confirm and restore, which read a user's purchases at Stripe and then ask for the verdict."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_kit.storage.database import Database
from checkout.ports import Entitlements, PaymentReads, Publisher


@dataclass(frozen=True, slots=True)
class Purchases:
    """Our record of sessions, Stripe, the broker for publishing facts, and the entitlements service."""

    database: Database
    stripe: PaymentReads
    broker: Publisher
    entitlements: Entitlements
