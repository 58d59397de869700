"""The portal configuration that Atlas makes, whoever makes it: the checkout service or `./atlas stripe setup`.

Both ask with the same parameters under the same idempotency key, so that they make one between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FEATURES: Mapping[str, Any] = {
    "invoice_history": {"enabled": True},
    "customer_update": {"enabled": True, "allowed_updates": ["address", "name", "tax_id"]},
    "payment_method_update": {"enabled": False},
    "subscription_cancel": {"enabled": False},
    "subscription_update": {"enabled": False},
}
"""Invoices can be seen, nothing can be subscribed to or canceled: Pro is bought once."""
MARK: Mapping[str, str] = {"madeBy": "atlas-checkout"}
"""Metadata by which one that we made is found again."""
PARAMETERS: Mapping[str, Any] = {"features": FEATURES, "metadata": MARK}
FIRST_KEY = "atlas-portal-configuration-1"
"""Idempotency key, the same for everybody. Where Stripe answered it with an error for good (5xx), others follow."""
