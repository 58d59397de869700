"""`./atlas backfill` on a whole stack: hundreds of old sessions, webhooks before, during and after, a kill in the middle."""

from __future__ import annotations

import asyncio
import collections
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import nats
import psycopg
import pytest
import stripe

from support.stack import Stack, eventually, running_stack

DAY = 86_400
EACH = 12
"""Old sessions of each kind."""
KINDS: dict[str, tuple[dict[str, Any], tuple[bool, str]]] = {
    "paid": ({}, (True, "active")),
    "customer": ({"customer": True}, (True, "active")),
    "refunded": ({"refunds": [{}]}, (False, "revoked")),
    "in-steps": ({"refunds": [{"amount": 900}, {}]}, (False, "revoked")),
    "partly": ({"refunds": [{"amount": 900}]}, (True, "active")),
    "bounced": ({"refunds": [{"status": "failed"}]}, (True, "active")),
    "lost": ({"disputes": [{"status": "lost"}]}, (False, "revoked")),
    "won": ({"disputes": [{"status": "won", "detached": True}]}, (True, "active")),
    "disputed": ({"disputes": [{"status": "needs_response"}]}, (True, "active")),
    "processing": ({"outcome": "processing"}, (False, "none")),
    "failed": ({"outcome": "failed"}, (False, "none")),
    "free": ({"amount": 0}, (False, "none")),
    "expired": ({"outcome": "expired"}, (False, "none")),
    "shoes": ({"metadata": {"productKey": "shoes"}}, (False, "none")),
    "evil": ({"metadata": {"productKey": "pro_lifetime_v1\n", "note": "\u202e'; DROP TABLE ledger; --", "userid": "eve"}}, (False, "none")),
}
TIMEOUT = 240


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running


def control(stack: Stack, method: str, path: str, body: Any = None) -> Any:
    answer = httpx.request(method, f"{stack.url('sandbox')}/_sandbox{path}", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def facts(stack: Stack) -> list[tuple[Any, ...]]:
    with psycopg.connect(stack.json["postgres"]["databases"]["entitlements"]) as connection:
        return connection.execute("SELECT event_id, via FROM ledger ORDER BY seq").fetchall()


def verdicts(stack: Stack) -> dict[str, tuple[bool, str, int]]:
    with psycopg.connect(stack.json["postgres"]["databases"]["entitlements"]) as connection:
        rows = connection.execute("SELECT user_id, is_pro, status, version FROM entitlements").fetchall()
    return {row[0]: row[1:] for row in rows}


def announced(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """Every entitlement event on the broker, by user."""

    async def read() -> list[bytes]:
        client = await nats.connect(stack.json["nats"]["url"])
        jetstream = client.jetstream()
        last = (await jetstream.stream_info("ENTITLEMENTS")).state.messages
        subscription = await jetstream.subscribe("entitlements.v1.>", ordered_consumer=True)
        found = [(await subscription.next_msg(timeout=10)).data for _ in range(last)]
        await client.close()
        return found

    told: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for message in asyncio.run(read()):
        data = json.loads(message)["data"]
        told[data["userId"]].append(data)
    return told


def seed(stack: Stack) -> None:
    now, ages = int(time.time()), itertools.count(2)
    sessions = []
    for n, (kind, (more, _)) in itertools.product(range(EACH), KINDS.items()):
        metadata = {"userId": f"{kind}-{n}", "productKey": "pro_lifetime_v1", **more.get("metadata", {})}
        sessions.append({"created": now - 2 * next(ages) * DAY, **more, "metadata": metadata})
    sessions += [{"created": now - n * DAY, "metadata": {"productKey": "pro_lifetime_v1"}} for n in range(1, EACH)]
    control(stack, "POST", "/seed", {"sessions": sessions})


def bought_now(stack: Stack, users: list[str]) -> None:
    """Purchases of the app that is being replaced, today: metadata only. Their webhooks are held."""
    client = stripe.StripeClient(stack.json["sandbox"]["secret_key"], base_addresses={"api": stack.url("sandbox")})
    for number, user in enumerate(users):
        made = client.v1.checkout.sessions.create({
            "mode": "payment", "line_items": [{"price": stack.json["sandbox"]["price_id"], "quantity": 1}],
            "metadata": {"userId": user, "productKey": "pro_lifetime_v1"}, "success_url": "http://shop.test/",
        })  # fmt: skip
        paid = control(stack, "POST", f"/checkout/{made.id}/pay", {})
        if number % 3 == 1:
            client.v1.refunds.create({"payment_intent": paid["payment_intent"]})
        if number % 3 == 2:
            control(stack, "POST", "/disputes", {"payment_intent": paid["payment_intent"], "status": "lost"})


def backfill(stack: Stack, *arguments: str) -> dict[str, Any]:
    done = stack.atlas("backfill", "--json", "--rate", "80", *arguments, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def settled(stack: Stack) -> list[tuple[Any, ...]]:
    """The ledger once nothing is under way any more."""

    def same() -> list[tuple[Any, ...]] | None:
        before = facts(stack)
        time.sleep(1)  # a second without a new fact is what is meant
        return before if before == facts(stack) else None

    return eventually(same, what="no further facts")


@pytest.mark.timeout(600)
def test_an_old_account_is_told_once_whatever_is_killed_and_whatever_webhooks_come_beside_it(stack: Stack) -> None:
    seed(stack)
    users = [f"today-{n}" for n in range(12)]
    bought_now(stack, users[:4])  # told by webhooks before
    eventually(lambda: {*users[:4]} <= verdicts(stack).keys(), what="the webhooks before")
    control(stack, "PUT", "/delivery", {"mode": "hold"})
    bought_now(stack, users[4:8])
    dry = backfill(stack, "--dry-run")
    before = settled(stack)

    killed = subprocess.Popen(
        stack.command("backfill", "--json", "--rate", "2"), env=stack.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    eventually(lambda: len(facts(stack)) > len(before) + 20, what="the first page is told")
    control(stack, "PUT", "/delivery", {"mode": "normal"})  # the webhooks come in the middle
    os.kill(stack.pid("checkout"), signal.SIGKILL)
    _, said = killed.communicate(timeout=60)
    assert killed.returncode == 1, said
    assert "call ./atlas backfill again to go on from there" in said

    eventually(lambda: stack.status()["services"]["checkout"]["health"] == "ok", what="checkout is back")
    rest = backfill(stack)
    control(stack, "PUT", "/delivery", {"mode": "hold"})
    bought_now(stack, users[8:])
    once_more = backfill(stack)
    assert once_more["new"] == 4
    control(stack, "PUT", "/delivery", {"mode": "normal"})  # … and these after
    control(stack, "POST", "/delivery/flush")
    whole = settled(stack)
    assert rest["read"] == dry["read"] == once_more["read"] - 4

    found = verdicts(stack)
    for kind, (_, (is_pro, status)) in KINDS.items():
        for n in range(EACH):
            assert found.get(f"{kind}-{n}", (False, "none", 0))[:2] == (is_pro, status), f"{kind}-{n}"
            assert found.get(f"{kind}-{n}", (False, "none", 0))[2] <= 1, f"{kind}-{n} changed more than once"
    for number, user in enumerate(users):
        assert found[user][1] == ("active" if number % 4 in (0, 3) else "revoked"), user

    again = backfill(stack)
    assert (again["read"], again["new"]) == (once_more["read"], 0)
    assert sorted(row["what"] for row in again["refused"]) == sorted(row["what"] for row in once_more["refused"])
    assert facts(stack) == whole
    refused = collections.Counter(row["because"] for row in again["refused"])
    assert refused == {"other_product": EACH, "no_user_in_metadata": EACH - 1, "malformed_object": EACH}

    told = announced(stack)
    assert {user: len(events) for user, events in told.items()} == {user: version for user, (_, _, version) in found.items() if version}
    for kind, (_, (is_pro, _)) in KINDS.items():
        if not is_pro:
            assert not any(event["isPro"] for n in range(EACH) for event in told.get(f"{kind}-{n}", ())), kind

    assert stack.atlas("rebuild", "--verify").returncode == 0
    audit = stack.atlas("audit", "--days", "3650", "--json", timeout=TIMEOUT)
    assert audit.returncode == 0, audit.stdout
    explained = json.loads(stack.atlas("explain", "refunded-0", "--json").stdout)
    assert {fact["via"] for payment in explained["payments"] for fact in payment["facts"]} == {"backfill"}
    assert json.loads(stack.atlas("parked", "list", "--json").stdout) == []
