"""What Stripe is asked for when a session is made. Pure; CONTRACT 2 fixes the return URLs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from atlas_contracts.billing import PRODUCT_PRO

SOURCES = frozenset({"direct", "hero", "comparison", "faq"})
SESSION_LIFE = timedelta(hours=23)
"""Stripe allows 24 h, and keeps idempotency keys for at least as long: a session never outlives its key."""
REUSE_MARGIN = timedelta(minutes=30)
"""A session that ends sooner is replaced: the buyer should have the time to pay."""
MAX_CLIENT_REFERENCE = 200


def known_source(source: str | None) -> str:
    """Where the buyer came from; anything unknown is ``direct``."""
    lowered = (source or "").strip().lower()
    return lowered if lowered in SOURCES else "direct"


def session_parameters(
    *,
    attempt_id: UUID,
    user_id: str,
    customer_id: str,
    price_id: str,
    source: str,
    origin: str,
    expires_at: datetime,
) -> dict[str, Any]:
    """One-time payment by the user's own customer, with an invoice, and whose it is written on session and payment."""
    metadata = {
        "userId": user_id,
        "productKey": PRODUCT_PRO,
        "planType": "one_time",
        "source": source,
        "attemptId": str(attempt_id),
    }
    account = f"{origin}/account"
    parameters: dict[str, Any] = {
        "mode": "payment",
        "line_items": [{"price": price_id, "quantity": 1}],
        "customer": customer_id,
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "invoice_creation": {"enabled": True},
        "success_url": f"{account}?checkout=success&source={source}&checkout_session_id={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{account}?checkout=cancel&source={source}",
        "expires_at": int(expires_at.timestamp()),
    }
    if len(user_id) <= MAX_CLIENT_REFERENCE:
        parameters["client_reference_id"] = user_id
    return parameters
