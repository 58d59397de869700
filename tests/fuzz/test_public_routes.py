"""Every documented public route against whatever its schema allows and forbids (schemathesis).

No 5xx, every answer as the document says, and no word of it where nobody is signed in. ``ATLAS_LONG=1`` tries a hundred
times as much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis

from account_gateway.entrypoints.live.stream import StreamTimes
from support.gateway import PRO, StandIn, cookie_of, entitlement_view, new_user, running_gateway, stand_in
from support.schemathesis import CONFORMANCE, LONG, bombard

EXAMPLES = 1500 if LONG else 10
NO_LIMITS = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}
SUMMARY = {"isPro": True, "status": "active", "source": "stripe", "updatedAt": "2026-11-23T10:00:01.250Z"}
OPERATIONS = [
    "GET /api/pro/entitlement",
    "GET /api/pro/entitlement/stream",
    "POST /api/pro/restore",
    "GET /api/billing/stripe/checkout",
    "POST /api/billing/stripe/checkout",
    "POST /api/billing/stripe/confirm",
    "GET /api/billing/stripe/portal",
    "POST /api/billing/stripe/portal",
    "GET /api/billing/overview",
    "GET /pro/upgrade",
    "GET /api/health",
]


class World:
    """A gateway whose services behind it always have an answer."""

    def __init__(self, client: httpx.Client, behind: tuple[StandIn, StandIn]) -> None:
        self.url = str(client.base_url).rstrip("/")
        self.behind = behind
        document = client.get("/openapi.json").json()
        schema = schemathesis.openapi.from_dict(document)
        self.operations: dict[str, Any] = {
            operation.label: operation for operation in (found.ok() for found in schema.get_all_operations())
        }


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    times = StreamTimes(life=0.02, heartbeat=0.01, poll_without_broker=0.01, poll_with_broker=0.01)
    with stand_in() as entitlements, stand_in() as checkout:
        view = entitlement_view("somebody", **PRO)
        entitlements.answer("GET /internal/entitlement", view)
        entitlements.answer("GET /internal/overview", {"entitlement": view, "payment": None})
        hosted = {"url": "https://checkout.stripe.example/c/pay/cs_1", "checkoutSessionId": "cs_1", "reused": False}
        checkout.answer("POST /internal/checkout-sessions", hosted)
        checkout.answer("POST /internal/portal-sessions", {"url": "https://billing.stripe.example/p/session/1"})
        checkout.answer("GET /internal/billing-profile", {"canManageBilling": True})
        checkout.answer("POST /internal/restore", {"outcome": "restored", "entitlement": SUMMARY})
        checkout.answer("POST /internal/confirm", {"outcome": "active", "entitlement": SUMMARY})
        urls = {"ENTITLEMENTS_URL": entitlements.url, "CHECKOUT_URL": checkout.url}
        with running_gateway(times, **urls, **NO_LIMITS) as client:
            yield World(client, (entitlements, checkout))


def _of_somebody_new() -> dict[str, str]:
    return cookie_of(new_user())


def test_every_documented_operation_is_bombarded(world: World) -> None:
    assert sorted(world.operations) == sorted(OPERATIONS)


@pytest.mark.timeout(1800 if LONG else 120)
@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_a_signed_in_caller_sends_the_answer_is_a_documented_one(world: World, name: str) -> None:
    stream = name.endswith("/stream")
    # The document describes the stream's text; schemathesis would read that as the schema of each event in it.
    checks = tuple(check for check in CONFORMANCE if not (stream and check == "response_schema_conformance"))
    assert bombard(world.operations[name], world.url, _of_somebody_new, examples=3 if stream else EXAMPLES, checks=checks) >= 1


@pytest.mark.timeout(1800 if LONG else 120)
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.startswith("POST")])
def test_whatever_a_stranger_sends_nothing_happens_behind_the_gateway(world: World, name: str) -> None:
    for service in world.behind:
        service.asked.clear()
    bombard(world.operations[name], world.url, dict, examples=EXAMPLES // 3, checks=("not_a_server_error",))
    assert [service.asked for service in world.behind] == [[], []]
