"""The parameters with which a session is made at Stripe. Pure; CONTRACT 2 fixes the return URLs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Options of Stripe's page that the operator can switch on: tax, tax ids, promotion codes."""

    automatic_tax: bool = False
    tax_id_collection: bool = False
    promotion_codes: bool = False

    def parameters(self) -> dict[str, Any]:
        """The parameters for Stripe. Tax needs ``customer_update``: leave to keep what the buyer enters."""
        asked: dict[str, Any] = {}
        kept: dict[str, str] = {}
        if self.automatic_tax:
            asked["automatic_tax"] = {"enabled": True}
            kept["address"] = "auto"
        if self.tax_id_collection:
            asked["tax_id_collection"] = {"enabled": True}
            kept |= {"name": "auto", "address": "auto"}
        if self.promotion_codes:
            asked["allow_promotion_codes"] = True
        return {**asked, "customer_update": kept} if kept else asked


NO_OPTIONS = SessionOptions()
OPTIONAL = ("automatic_tax", "tax_id_collection", "allow_promotion_codes", "customer_update")


def options_in(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a session's parameters that ``SessionOptions`` made."""
    return {name: parameters[name] for name in OPTIONAL if name in parameters}


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
    options: SessionOptions = NO_OPTIONS,
) -> dict[str, Any]:
    """A one-time payment by the user's customer, with an invoice; metadata of session and payment name the user."""
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
        **options.parameters(),
    }
    if len(user_id) <= MAX_CLIENT_REFERENCE:
        parameters["client_reference_id"] = user_id
    return parameters
