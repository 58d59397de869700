"""Spans of a running stack: one purchase is one connected trace, and everybody has a trace of their own."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.buyer import Buyer, explain
from support.otlp import Receiver, Span, receiving
from support.stack import Stack, eventually, running_stack
from support.stripe_events import body_of, purchase, session, signature

USERS = 256
SERVICES = {"webhook-ingest", "entitlements", "account-gateway", "checkout"}
WEBHOOK, PUSHED = "POST /api/billing/stripe/webhook", "live update"
PROCESSED, MADE = "process billing.v1.purchase_succeeded", "create entitlements.v1.entitlement_granted"
CHAIN = [
    ("webhook-ingest", "SERVER", WEBHOOK),
    ("webhook-ingest", "PRODUCER", "publish billing.v1.purchase_succeeded"),
    ("entitlements", "CONSUMER", PROCESSED),
    ("entitlements", "PRODUCER", MADE),
    ("account-gateway", "CONSUMER", "process entitlements.v1.entitlement_granted"),
    ("account-gateway", "INTERNAL", PUSHED),
]


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Stack, Receiver]]:
    with receiving() as receiver:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_BSP_MAX_QUEUE_SIZE": "20000"}
        with running_stack({**traced, "BILLING_PULL_INTERVAL_SECONDS": "0"}) as stack:
            yield stack, receiver


def test_one_purchase_is_one_connected_trace_with_one_id_from_webhook_to_live_update(world: tuple[Stack, Receiver]) -> None:
    stack, receiver = world
    buyer = Buyer(stack)
    told_id = buyer.buy_before_an_open_page()
    live = eventually(lambda: with_id(receiver, PUSHED, told_id), what="the live update's span")[0]
    sent = eventually(lambda: with_id(receiver, "publish entitlements.v1.entitlement_granted", told_id), what="the outbox's span")[0]
    trace = eventually(lambda: connected(receiver.trace(live.trace_id)), what="a connected trace")

    by_id = {span.span_id: span for span in trace}
    up = [live]
    while up[-1].parent_id:
        up.append(by_id[up[-1].parent_id])
    assert [(span.service, span.kind, span.name) for span in reversed(up)] == CHAIN
    assert by_id[str(sent.parent_id)].name == MADE and sent.kind == "CLIENT"
    assert {span.request_id for span in trace} == {told_id}
    assert all(span.start <= span.end and not span.failed and span.schema_url for span in trace)
    assert live.attributes["atlas.live_update.pushed"] is True

    facts = [fact for payment in explain(stack, buyer.user)["payments"] for fact in payment["facts"]]
    [paid] = [fact for fact in facts if fact["type"] == "purchase_succeeded"]
    assert paid["requestId"] == told_id
    for service, name in (
        ("webhook-ingest", "billing.webhook.accepted"), ("entitlements", "billing.projection.applied"), ("account-gateway", "entitlement.pushed"),
    ):  # fmt: skip
        logged = [line for line in lines(stack, service, name) if line["requestId"] == told_id]
        assert [line["traceId"] for line in logged] == [live.trace_id], service

    [batch] = [s for s in receiver.named("entitlements", "process BILLING") if (live.trace_id, up[-2].span_id) in s.links]
    assert batch.trace_id != live.trace_id
    assert "transaction entitlements" in {span.name for span in receiver.trace(batch.trace_id)}


def test_a_click_on_upgrade_is_one_trace_through_gateway_checkout_stripe_and_database(world: tuple[Stack, Receiver]) -> None:
    stack, receiver = world
    buyer = Buyer(stack)
    buyer.browser.headers["x-request-id"] = f"click-{buyer.user}"
    buyer.open_checkout()
    [click] = eventually(lambda: with_id(receiver, "POST /api/billing/stripe/checkout", f"click-{buyer.user}"), what="the click's span")
    wanted = {
        ("checkout", "SERVER", "POST /internal/checkout-sessions"),
        ("checkout", "CLIENT", "POST /v1/checkout/sessions"),
        ("checkout", "CLIENT", "transaction checkout"),
        ("entitlements", "CLIENT", "transaction entitlements"),
    }

    def whole() -> bool:  # each service sends its spans by itself, so a part of the trace may be connected before the rest comes
        trace = receiver.trace(click.trace_id)
        return wanted <= {(span.service, span.kind, span.name) for span in trace} and bool(connected(trace))

    eventually(whole, what="a connected trace with every service's spans")


def test_of_256_users_at_once_each_has_a_trace_of_its_own_and_batches_link_to_all(world: tuple[Stack, Receiver]) -> None:
    stack, receiver = world
    webhook = stack.json["webhook"]
    bodies = [body_of(purchase(data={"object": bought_by(f"crowd-{number}")})) for number in range(USERS)]

    async def deliver() -> list[int]:
        async with aiohttp.ClientSession() as client:

            async def one(number: int, body: bytes) -> int:
                headers = {"stripe-signature": signature(body, webhook["secret"]), "x-request-id": f"crowd-{number}"}
                async with client.post(webhook["url"], data=body, headers=headers) as answer:
                    return answer.status

            return await asyncio.gather(*(one(number, body) for number, body in enumerate(bodies)))

    assert asyncio.run(deliver()) == [200] * USERS
    eventually(lambda: len(crowd(receiver, "publish entitlements.v1.entitlement_granted")) == USERS, 120, "every announcement's span")
    eventually(lambda: len(crowd(receiver, WEBHOOK)) == USERS, what="every webhook's span")

    own = {span.request_id: span.trace_id for span in crowd(receiver, WEBHOOK)}
    assert len(set(own.values())) == USERS
    for name in (PROCESSED, MADE, "publish entitlements.v1.entitlement_granted"):
        assert {span.request_id: span.trace_id for span in crowd(receiver, name)} == own, name
    for trace_id in own.values():
        assert connected(receiver.trace(trace_id))
    batches = eventually(lambda: linked(receiver, set(own.values())), what="links to every trace")
    assert max(batch.attributes["messaging.batch.message_count"] for batch in batches) > 1
    assert all(len(batch.links) == batch.attributes["messaging.batch.message_count"] for batch in batches)


def test_no_span_holds_a_user_a_session_a_secret_or_an_address(world: tuple[Stack, Receiver]) -> None:
    """The bytes that were sent, after a purchase, a refund, a restore and requests to paths that hold ids."""
    stack, receiver = world
    buyer = Buyer(stack)
    session_id = buyer.buy()
    buyer.post("/api/billing/stripe/confirm", {"checkoutSessionId": session_id})
    buyer.post("/api/pro/restore", {"trigger": "account"})
    buyer.browser.get(f"/account?checkout=success&checkout_session_id={session_id}")
    buyer.refund(session_id)
    eventually(lambda: buyer.entitlement()["status"] == "revoked", what="the refund")
    assert stack.atlas("explain", buyer.user).returncode == 0
    eventually(lambda: receiver.named("checkout", "GET /v1/checkout/sessions/{id}"), what="the confirmation's span")
    sent = b"".join(receiver.bodies)
    assert {span.service for span in receiver.spans} >= SERVICES
    told = stack.json
    secrets = [buyer.user, session_id, buyer.payment_intent(session_id), told["sandbox"]["secret_key"], told["webhook"]["secret"],
               told["auth"]["nextauth_secret"], *buyer.browser.cookies.values()]  # fmt: skip
    found = [secret for secret in secrets if secret.encode() in sent]
    assert found == []
    text = " ".join(f"{span.name} {span.attributes}" for span in receiver.spans)
    for word in ("@", "Bearer", "eyJ", "cs_test_", "whsec_", "v1=", "postgresql://"):
        assert word not in text, word


def bought_by(user: str) -> dict[str, Any]:
    return session(id=f"cs_test_{user}", payment_intent=f"pi_{user}", client_reference_id=user, metadata={"userId": user, "productKey": "pro_lifetime_v1"})


def connected(trace: list[Span]) -> list[Span]:
    """The trace, where every span but one has its parent in it; else nothing, for some may still be on their way."""
    ids = {span.span_id for span in trace}
    roots = [span for span in trace if span.parent_id is None]
    return trace if len(roots) == 1 and all(span.parent_id in ids for span in trace if span.parent_id) else []


def linked(receiver: Receiver, traces: set[str]) -> list[Span]:
    """The batches with a fact of these traces, where there is one for each trace."""
    by_trace: defaultdict[str, list[Span]] = defaultdict(list)
    for batch in receiver.named("entitlements", "process BILLING"):
        for trace_id, _ in batch.links:
            by_trace[trace_id].append(batch)
    batches = [batch for trace_id in traces for batch in by_trace[trace_id]]
    return batches if traces <= by_trace.keys() else []


def with_id(receiver: Receiver, name: str, request_id: str) -> list[Span]:
    return [span for span in list(receiver.spans) if span.name == name and span.request_id == request_id]


def crowd(receiver: Receiver, name: str) -> list[Span]:
    return [span for span in list(receiver.spans) if span.name == name and span.request_id.startswith("crowd-")]


def lines(stack: Stack, service: str, event: str) -> list[dict[str, Any]]:
    log: Path = stack.home / "logs" / f"{service}.log"
    told = [json.loads(line) for line in log.read_text().splitlines() if line[:1] == "{"]
    return [line for line in told if line["event"] == event]
