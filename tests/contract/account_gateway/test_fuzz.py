"""Schemathesis against the gateway: no 5xx, no undescribed answer, whatever is sent."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from account_gateway.app import build
from account_gateway.settings import GatewaySettings
from atlas_kit.process.settings import load
from support.gateway import PRO, cookie_of, entitlement_view, gateway_environment, new_user


def document() -> dict[str, Any]:
    """/openapi.json of a gateway that is not started."""
    gateway = build(load(GatewaySettings, gateway_environment("http://127.0.0.1:8000")))

    async def read() -> dict[str, Any]:
        transport = httpx.ASGITransport(gateway)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return (await client.get("/openapi.json")).json()

    return asyncio.run(read())


@pytest.fixture
def behind(world: Any) -> Any:
    """Services that answer everything."""
    view = entitlement_view("user", **PRO)
    summary = {"isPro": True, "status": "active", "source": "stripe", "updatedAt": None}
    session = {"url": "https://pay.example/1", "checkoutSessionId": "cs_test_1", "reused": False}
    world.entitlements.answer("GET /internal/entitlement", view)
    world.entitlements.answer("GET /internal/overview", {"entitlement": view, "payment": None})
    world.checkout.answer("POST /internal/checkout-sessions", session)
    world.checkout.answer("POST /internal/portal-sessions", {"url": "https://portal.example/1"})
    world.checkout.answer("GET /internal/billing-profile", {"canManageBilling": True})
    world.checkout.answer("POST /internal/restore", {"outcome": "restored", "entitlement": summary})
    world.checkout.answer("POST /internal/confirm", {"outcome": "active", "entitlement": summary})
    return world


schema = schemathesis.openapi.from_dict(document())
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@schema.exclude(path="/api/pro/entitlement/stream").parametrize()  # it has no end that a fuzzer would wait for
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_sent_makes_a_5xx_or_an_undescribed_answer(case: Any, behind: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        response = case.call(base_url=behind.origin, headers=cookie_of(new_user()), allow_redirects=False)
        if response.status_code != 405:  # a method that schemathesis made up
            case.validate_response(response, checks=CHECKS)
