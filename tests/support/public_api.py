"""The public API as its tests speak of it: routes, answers that every route has, requests of a signed-in user."""

from __future__ import annotations

from typing import Any

import httpx

from support.gateway import cookie_of

CHECKOUT, PORTAL = "/api/billing/stripe/checkout", "/api/billing/stripe/portal"
CONFIRM, RESTORE = "/api/billing/stripe/confirm", "/api/pro/restore"
ENTITLEMENT, STREAM, OVERVIEW = "/api/pro/entitlement", "/api/pro/entitlement/stream", "/api/billing/overview"
HOSTED = "https://checkout.stripe.example/c/pay/cs_test_1#secret"
PORTAL_PAGE = "https://billing.stripe.example/p/session/1"
JSON_TYPE = {"content-type": "application/json"}
SUMMARY = {"isPro": True, "status": "active", "source": "stripe", "updatedAt": "2026-11-23T10:00:01.250Z"}
NOT_FOUND = {"outcome": "not_found", "entitlement": {"isPro": False, "status": "none", "source": None, "updatedAt": None}}
UNAUTHORIZED = ("unauthorized", "Not authenticated.", "reauth")
TOO_MANY = ("rate_limited", "Too many requests. Please try again later.", "retry_later")


def assert_error(response: httpx.Response, status: int, code: str, message: str, recovery: str) -> None:
    assert response.status_code == status, response.text
    assert response.json() == {"ok": False, "error": {"code": code, "message": message, "recovery": recovery}}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


def post(world: Any, path: str, body: Any = None, user: str | None = None, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if user:
        sent |= cookie_of(user)
    if body is None:
        return world.client.post(path, headers=sent)
    return world.client.post(path, json=body, headers=sent)


def get(world: Any, path: str, user: str | None = None, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return world.client.get(path, headers=sent | (cookie_of(user) if user else {}))


def sells(world: Any) -> None:
    world.checkout.answer(
        "POST /internal/checkout-sessions", {"url": HOSTED, "checkoutSessionId": "cs_test_1", "reused": False}
    )
    world.checkout.answer("POST /internal/portal-sessions", {"url": PORTAL_PAGE})
