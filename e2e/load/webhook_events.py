"""Distinct, realistic, signed webhook requests for load scripts, as the bytes that go over the wire."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

PATH = "/api/billing/stripe/webhook"


def session(number: int) -> dict[str, Any]:
    """A paid checkout session with the fields that Stripe sends, some 3 kB."""
    nothing = dict.fromkeys(
        ["adaptive_pricing", "after_expiration", "allow_promotion_codes", "collected_information", "consent",
         "consent_collection", "currency_conversion", "customer_email", "discounts", "expires_at", "invoice", "locale",
         "origin_context", "payment_link", "payment_method_configuration_details", "permissions", "presentment_details",
         "recovered_from", "redirect_on_completion", "return_url", "setup_intent", "shipping_address_collection",
         "shipping_cost", "submit_type", "subscription", "ui_mode", "url", "wallet_options"]
    )  # fmt: skip
    return {
        "id": f"cs_test_{number:058d}",
        "object": "checkout.session",
        "amount_subtotal": 1900,
        "amount_total": 1900,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": "https://atlas.example/account?checkout=cancel&source=direct",
        "client_reference_id": f"user_{number}",
        "client_secret": None,
        "created": 1_790_000_000,
        "currency": "usd",
        "custom_fields": [],
        "custom_text": {"after_submit": None, "shipping_address": None, "submit": None, "terms_of_service_acceptance": None},
        "customer": f"cus_{number:014d}",
        "customer_creation": None,
        "customer_details": {
            "address": {"city": "Zurich", "country": "CH", "line1": "Teststrasse 1", "line2": None, "postal_code": "8001", "state": None},
            "email": "buyer@example.com", "name": "Test Buyer", "phone": None, "tax_exempt": "none", "tax_ids": [],
        },  # fmt: skip
        "invoice_creation": {"enabled": True, "invoice_data": {"account_tax_ids": None, "description": None, "metadata": {}}},
        "livemode": False,
        "metadata": {"userId": f"user_{number}", "productKey": "pro_lifetime_v1", "source": "direct"},
        "mode": "payment",
        "payment_intent": f"pi_{number:024d}",
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card", "link"],
        "payment_status": "paid",
        "phone_number_collection": {"enabled": False},
        "saved_payment_method_options": {"allow_redisplay_filters": ["always"], "payment_method_remove": "disabled", "payment_method_save": None},
        "shipping_options": [],
        "status": "complete",
        "success_url": "https://atlas.example/account?checkout=success&source=direct&checkout_session_id={CHECKOUT_SESSION_ID}",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        **nothing,
    }


def event_body(number: int, run: str) -> bytes:
    """A ``checkout.session.completed`` as Stripe renders it (indented)."""
    event = {
        "id": f"evt_{run}{number:016d}",
        "object": "event",
        "account": None,
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_100,
        "data": {"object": session(number)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "checkout.session.completed",
    }
    return json.dumps(event, indent=2).encode()


def signature(body: bytes, secret: str, at: int | None = None) -> str:
    timestamp = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def request(body: bytes, secret: str, host: str) -> bytes:
    """The whole HTTP/1.1 request."""
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
        f"Accept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Stripe-Signature: {signature(body, secret)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
