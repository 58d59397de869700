"""A rolling change of the whole system: two versions of each service over one broker and one database.

The older version is this tree, or ``ATLAS_OLDER=<git revision>`` (none from before decision 0010); the newer one is made
of this tree (tests/support/versions.py). What two entitlements do to each other is in tests/integration/entitlements.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_operator.client import Operator
from atlas_operator.target import Target
from support.buyer import Buyer, explain
from support.identity import operator_key
from support.replicas import Replica, further_replica, wait_until_ready
from support.stack import Stack, eventually, running_stack
from support.stripe_events import body_of, event, refund, signature
from support.versions import next_version, older_version

SOON = 90.0
LIMITS = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}

pytestmark = pytest.mark.timeout(400)


@dataclass
class Mixed:
    """A stack of the older version, and how to start replicas of the newer one beside it."""

    stack: Stack
    newer: dict[str, str]

    def replica(self, service: str, **environ: str) -> contextlib.AbstractContextManager[Replica]:
        """Of the older version, like the stack's own."""
        return further_replica(self.stack, service, **environ)

    def newer_replica(self, service: str, **environ: str) -> contextlib.AbstractContextManager[Replica]:
        return further_replica(self.stack, service, **self.newer, **environ)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    """No pull by itself: the tests say when."""
    folder, older = tmp_path_factory.mktemp("versions"), {}
    if revision := os.environ.get("ATLAS_OLDER"):
        older = {"PYTHONPATH": older_version(folder, revision)}
    newer = {"PYTHONPATH": next_version(folder / "next")}
    with running_stack(LIMITS | older | {"BILLING_PULL_INTERVAL_SECONDS": "0"}) as stack:
        yield Mixed(stack, newer)


class At(Buyer):
    """A buyer whose browser talks to another replica of the gateway; it keeps the public origin."""

    def __init__(self, stack: Stack, gateway: Replica) -> None:
        super().__init__(stack)
        self.browser.base_url = httpx.URL(gateway.url)


def everything_that_is_asked(buyer: Buyer) -> None:
    """Each question that one service asks another on a user's behalf."""
    assert buyer.entitlement() == {"isPro": False, "status": "none", "source": None, "restoredAt": None, "updatedAt": None}
    session = buyer.open_checkout()
    assert buyer.open_checkout() == session
    buyer.pay(session)
    confirmed = buyer.post("/api/billing/stripe/confirm", {"checkoutSessionId": session})
    assert confirmed["outcome"] == "active"
    assert set(buyer.entitlement()) == {"isPro", "status", "source", "restoredAt", "updatedAt"}
    assert set(buyer.get("/api/billing/overview")) == {"entitlement", "payment", "canManageBilling"}
    assert buyer.post("/api/billing/stripe/portal")["url"].startswith("http")
    restored = buyer.post("/api/pro/restore", {"trigger": "account"})
    assert restored["outcome"] == "already_active"
    assert set(restored) <= {"outcome", "entitlement", "reason"}
    refused = buyer.browser.post("/api/billing/stripe/checkout", json={"source": "hero"})
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, "Pro is already active.")
    buyer.browser.close()


def test_services_of_both_versions_understand_each_other_whoever_asks(mixed: Mixed) -> None:
    with contextlib.ExitStack() as running:
        start = running.enter_context
        entitlements = start(mixed.newer_replica("entitlements"))
        checkout = start(mixed.newer_replica("checkout"))  # asks the older entitlements
        old_checkout = start(mixed.replica("checkout", ENTITLEMENTS_URL=entitlements.url))
        newer_before_older = start(mixed.newer_replica("account-gateway"))
        older_before_newer = start(
            mixed.replica("account-gateway", CHECKOUT_URL=checkout.url, ENTITLEMENTS_URL=entitlements.url)
        )
        older_in_between = start(
            mixed.newer_replica("account-gateway", CHECKOUT_URL=old_checkout.url, ENTITLEMENTS_URL=entitlements.url)
        )
        gateways = (newer_before_older, older_before_newer, older_in_between)
        wait_until_ready(entitlements, checkout, old_checkout, *gateways)
        for gateway in gateways:
            everything_that_is_asked(At(mixed.stack, gateway))
        everything_that_is_asked(Buyer(mixed.stack))


def test_what_a_newer_door_tells_an_older_ledger_counts_after_the_upgrade(mixed: Mixed) -> None:
    stack = mixed.stack
    buyer = Buyer(stack)
    session = buyer.buy()
    with mixed.newer_replica("webhook-ingest") as door:
        wait_until_ready(door)
        paid = buyer.stripe.v1.checkout.sessions.retrieve(session)
        back = refund(payment_intent=paid.payment_intent, charge=None, amount=paid.amount_total, reason="duplicate")
        deliver(stack, door, event("refund.updated", back, id=f"evt_{buyer.user}", created=int(time.time())))
        eventually(lambda: buyer.entitlement()["status"] == "revoked", what="all that the older version sees is a refund")

        with mixed.newer_replica("entitlements"):
            eventually(buyer.is_pro, SOON, "to the newer version it was a duplicate's, and takes nothing away")
        assert "charge_observed" not in facts_of(buyer)
        pull = further_pull(stack, door)
        assert pull["counts"].get("accepted", 0) > 0
        eventually(lambda: "charge_observed" in facts_of(buyer), what="what the older door ignores the newer one finds")
    assert json.loads(stack.atlas("parked", "list", "--json").stdout) == []
    buyer.browser.close()


def facts_of(buyer: Buyer) -> set[str]:
    return {fact["type"] for payment in explain(buyer.stack, buyer.user)["payments"] for fact in payment["facts"]}


def deliver(stack: Stack, door: Replica, told: dict[str, Any]) -> None:
    """As Stripe would, to a door of our choice."""
    body = body_of(told)
    headers = {"stripe-signature": signature(body, stack.json["webhook"]["secret"])}
    answer = httpx.post(f"{door.url}/api/billing/stripe/webhook", content=body, headers=headers)
    assert answer.status_code == 200 and answer.json()["data"]["appended"], answer.text


def further_pull(stack: Stack, door: Replica) -> dict[str, Any]:
    """A pull by that door, from where its cursor stands."""
    operator = Operator(Target({INGEST_SERVICE: door.url}, operator_key(stack.home), local=False))
    return list(operator.lines(INGEST_SERVICE, "/operator/pull", {}))[-1]
