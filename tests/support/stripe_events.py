"""Stripe objects and events as plain dictionaries, and their signatures."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from typing import Any

NUMBERS = itertools.count(1)
SECRET = "whsec_test_secret"
Json = dict[str, Any]


def session(**changes: Any) -> Json:
    number = next(NUMBERS)
    return {
        "id": f"cs_test_{number}",
        "object": "checkout.session",
        "status": "complete",
        "payment_status": "paid",
        "mode": "payment",
        "amount_total": 1900,
        "currency": "usd",
        "livemode": False,
        "payment_link": None,
        "client_reference_id": f"user_{number}",
        "metadata": {"userId": f"user_{number}", "productKey": "pro_lifetime_v1"},
        "created": 1_790_000_000,
        "payment_intent": f"pi_{number}",
        "customer": f"cus_{number}",
        "customer_details": {"email": "buyer@example.com", "name": "A Buyer"},
        **changes,
    }


def charge(**changes: Any) -> Json:
    number = next(NUMBERS)
    return {
        "id": f"ch_{number}",
        "object": "charge",
        "amount": 1900,
        "amount_refunded": 1900,
        "currency": "usd",
        "paid": True,
        "refunded": True,
        "payment_intent": f"pi_{number}",
        "customer": f"cus_{number}",
        "created": 1_790_000_000,
        **changes,
    }


def refund(**changes: Any) -> Json:
    number = next(NUMBERS)
    return {
        "id": f"re_{number}",
        "object": "refund",
        "amount": 1900,
        "currency": "usd",
        "status": "succeeded",
        "charge": f"ch_{number}",
        "payment_intent": f"pi_{number}",
        "created": 1_790_000_000,
        **changes,
    }


def dispute(**changes: Any) -> Json:
    number = next(NUMBERS)
    return {
        "id": f"dp_{number}",
        "object": "dispute",
        "amount": 1900,
        "currency": "usd",
        "status": "needs_response",
        "reason": "fraudulent",
        "charge": f"ch_{number}",
        "payment_intent": f"pi_{number}",
        "created": 1_790_000_000,
        **changes,
    }


def fraud_warning(**changes: Any) -> Json:
    number = next(NUMBERS)
    return {
        "id": f"issfr_{number}",
        "object": "radar.early_fraud_warning",
        "actionable": True,
        "charge": f"ch_{number}",
        "payment_intent": f"pi_{number}",
        "fraud_type": "unauthorized_use_of_card",
        "livemode": False,
        "created": 1_790_000_000,
        **changes,
    }


def event(event_type: str, obj: Json, **changes: Any) -> Json:
    return {
        "id": f"evt_{next(NUMBERS)}",
        "object": "event",
        "type": event_type,
        "created": 1_790_000_100,
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": obj},
        **changes,
    }


def purchase(**changes: Any) -> Json:
    """A paid session's ``checkout.session.completed``."""
    return event("checkout.session.completed", session(), **changes)


def body_of(payload: Any) -> bytes:
    return json.dumps(payload).encode()


def signature(body: bytes, secret: str = SECRET, at: float | None = None) -> str:
    """The ``Stripe-Signature`` header; independent of the code under test."""
    timestamp = int(time.time() if at is None else at)
    return f"t={timestamp},v1={v1(body, secret, timestamp)}"


def v1(body: bytes, secret: str, timestamp: int) -> str:
    return hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
