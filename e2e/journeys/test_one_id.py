"""One purchase is one id, from the webhook's log line to the update that the open page gets."""

from __future__ import annotations

import json
from typing import Any

from support.buyer import Buyer, explain
from support.entitlements import on_broker
from support.faults.checker import ADMIN_INBOX
from support.stack import Stack, eventually


def test_a_purchases_id_is_the_same_in_log_ledger_explain_event_and_pushed_update(buyer: Buyer) -> None:
    told_id = buyer.buy_before_an_open_page()

    explained = explain(buyer.stack, buyer.user)
    facts = [fact for payment in explained["payments"] for fact in payment["facts"]]
    [paid] = [fact for fact in facts if fact["type"] == "purchase_succeeded"]
    assert paid["requestId"] == told_id
    assert all(fact["requestId"] for fact in facts)
    headers, event = announced(buyer.stack, buyer.user)
    assert (headers["x-request-id"], event["requestid"], event["data"]["causedBy"]) == (told_id, told_id, paid["eventId"])
    assert headers["traceparent"] == event["traceparent"]
    trace = event["traceparent"].split("-")[1]
    for service, name in (
        ("webhook-ingest", "billing.webhook.accepted"), ("entitlements", "billing.projection.applied"),
    ):  # fmt: skip
        [line] = [line for line in lines(buyer.stack, service, name) if line.get("eventId") == paid["eventId"]]
        assert (line["requestId"], line["traceId"]) == (told_id, trace), service
    assert [line for line in lines(buyer.stack, "account-gateway", "entitlement.pushed") if line["requestId"] == told_id]


def test_an_operators_fact_and_the_pulls_have_the_id_of_the_run_that_brought_them(stack: Stack) -> None:
    buyer = Buyer(stack)
    session_id = buyer.open_checkout()
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "drop"})
    try:
        buyer.pay(session_id)
        assert stack.atlas("pull", "--since", "1h").returncode == 0
    finally:
        buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "normal"})
    eventually(buyer.is_pro, what="Pro by the pull")
    assert stack.atlas("grant", buyer.user, "--reason", "a test").returncode == 0
    explained = eventually(lambda: (e := explain(stack, buyer.user))["adjustments"] and e, what="the grant is folded")
    pulled = {f["requestId"] for p in explained["payments"] for f in p["facts"] if f["via"] == "pull"}
    [granted] = [fact["requestId"] for fact in explained["adjustments"]]
    assert len(pulled) == 1
    assert granted
    assert granted not in pulled
    requests = {line["requestId"] for line in lines(stack, "webhook-ingest", "http.request")}
    assert {granted, *pulled} <= requests, "the two commands' own requests"


def announced(stack: Stack, user: str) -> tuple[dict[str, str], dict[str, Any]]:
    async def last(client: Any) -> tuple[dict[str, str], dict[str, Any]]:
        stream = client.jetstream()
        state = (await stream.stream_info("ENTITLEMENTS")).state
        for sequence in range(state.last_seq, state.first_seq - 1, -1):
            message = await stream.get_msg("ENTITLEMENTS", sequence)
            event = json.loads(message.data)
            if event["subject"] == user:
                return message.headers, event
        raise AssertionError(f"nothing was announced of {user}")

    return on_broker(stack.json["nats"]["url"], last, ADMIN_INBOX)


def lines(stack: Stack, service: str, event: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in (stack.home / "logs" / f"{service}.log").read_text().splitlines() if line[:1] == "{"]
    return [line for line in told if line["event"] == event]
