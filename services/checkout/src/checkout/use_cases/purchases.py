"""What confirm and restore work with: both read a user's purchases again and hear what the ledger makes of them."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_kit.storage.database import Database
from checkout.ports import Entitlements, PaymentReads, Publisher


@dataclass(frozen=True, slots=True)
class Purchases:
    """Our own record of sessions, Stripe, the broker that facts go to, and the service that folds them."""

    database: Database
    stripe: PaymentReads
    broker: Publisher
    entitlements: Entitlements
