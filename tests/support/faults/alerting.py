"""The faults that have an alert, each as a block during which a running stack has it; it is healed at the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import psycopg

from atlas_kit.messaging.outbox import LEASE_KEY
from entitlements.adapters.ledger import FOLD_LOCK
from support.buyer import Buyer
from support.stack import WORKSPACE, Stack, eventually

sys.path[:0] = [str(WORKSPACE / "e2e" / "load")]

from webhook_events import event_body, signature  # noqa: E402 - found through the line above

NUMBERS = iter(range(int(time.time()) * 1_000_000, 10**18))


@contextmanager
def stopped(stack: Stack, part: str, how: signal.Signals) -> Iterator[None]:
    """The server is down, and the supervisor doesn't start it again before the block ends."""
    supervisor = json.loads((stack.home / "run" / "state.json").read_text())["supervisor"]
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(stack.pid(part), how)
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)
        eventually(lambda: stack.status()[part]["health"] == "ok", 90, f"{part} is back")


@contextmanager
def broker_down(stack: Stack) -> Iterator[None]:
    with stopped(stack, "nats", signal.SIGKILL):
        yield


@contextmanager
def database_down(stack: Stack) -> Iterator[None]:
    with stopped(stack, "postgres", signal.SIGINT):
        yield


@contextmanager
def stripe_down(stack: Stack) -> Iterator[None]:
    with refusing(stack):
        for _ in range(6):
            answer = Buyer(stack).browser.post("/api/billing/stripe/checkout", json={})
            assert answer.status_code == 503
        yield


@contextmanager
def refusing(stack: Stack) -> Iterator[None]:
    """Stripe answers 503 to everything."""
    api = stack.url("sandbox") + "/_sandbox/api"
    httpx.put(api, json={"fail_next": 100_000, "status": 503}).raise_for_status()
    try:
        yield
    finally:
        httpx.put(api, json={"fail_next": 0}).raise_for_status()


@contextmanager
def wrong_secret(stack: Stack) -> Iterator[None]:
    for _ in range(12):
        assert deliver(stack, next(NUMBERS), secret="whsec_of_another_endpoint") == 403
    yield


@contextmanager
def parked_event(stack: Stack) -> Iterator[None]:
    park(stack, note="a\0b")
    yield
    [row] = json.loads(stack.atlas("parked", "list", "--json").stdout)
    assert stack.atlas("parked", "redrive", row["id"]).returncode == 0


def park(stack: Stack, **changes: object) -> None:
    """Deliver a session's event with these changes. U+0000 in a field that nobody keeps is parked, and a redrive maps the rest."""
    number = next(NUMBERS)
    event = json.loads(event_body(number, ""))
    event["data"]["object"].update(changes)
    assert deliver(stack, number, json.dumps(event).encode()) == 200


@contextmanager
def outbox_stuck(stack: Stack) -> Iterator[None]:
    """Somebody else holds the lock with which the outbox is published."""
    with psycopg.connect(dsn(stack), autocommit=True) as elsewhere:
        take = "SELECT pg_try_advisory_lock(%s)"
        while not elsewhere.execute(take, (LEASE_KEY,)).fetchone()[0]:
            elsewhere.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'atlas-outbox'"
                " AND datname = current_database()"
            )
        Buyer(stack).buy()
        yield


@contextmanager
def projector_stuck(stack: Stack) -> Iterator[None]:
    with psycopg.connect(dsn(stack)) as elsewhere:
        elsewhere.execute("SELECT pg_advisory_xact_lock(%s)", (FOLD_LOCK,))
        assert deliver(stack, next(NUMBERS)) == 200
        yield


@contextmanager
def pull_failing(stack: Stack) -> Iterator[None]:
    with refusing(stack):
        assert stack.atlas("pull").returncode == 1
        yield
    assert stack.atlas("pull").returncode == 0


@contextmanager
def refused_payment(stack: Stack) -> Iterator[None]:
    buyer = Buyer(stack)
    session_id = paid_in_pounds(buyer)
    yield
    buyer.refund(session_id)


def paid_in_pounds(buyer: Buyer) -> str:
    """A paid session that somebody made by hand in a currency that isn't accepted, with a user of ours."""
    item = {"currency": "gbp", "unit_amount": 4900, "product_data": {"name": "Pro"}}
    session = buyer.stripe.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price_data": item, "quantity": 1}],
            "success_url": "https://atlas.example/",
            "metadata": {"userId": buyer.user, "productKey": "pro_lifetime_v1"},
        }
    )
    buyer.pay(session.id)
    return str(session.id)


@contextmanager
def disk_full(stack: Stack) -> Iterator[None]:
    filler = stack.home / "data" / "nats" / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    begun = time.monotonic()
    while deliver(stack, next(NUMBERS)) == 200:
        assert time.monotonic() - begun < 60, "a full disk takes no more"
    for _ in range(3):
        deliver(stack, next(NUMBERS))
    yield
    filler.unlink()
    os.kill(stack.pid("nats"), signal.SIGTERM)  # the server keeps its write error until it starts anew
    eventually(lambda: deliver(stack, next(NUMBERS)) == 200, 90, "taken again")


FAULTS: dict[str, Callable[[Stack], contextlib.AbstractContextManager[None]]] = {
    "wrong signing secret": wrong_secret,
    "parked event": parked_event,
    "outbox stuck": outbox_stuck,
    "projector stuck": projector_stuck,
    "pull failing": pull_failing,
    "refused payment": refused_payment,
    "Stripe down": stripe_down,
    "database down": database_down,
    "broker down": broker_down,
    "disk full": disk_full,
}



def deliver(stack: Stack, number: int, body: bytes | None = None, secret: str = "") -> int:
    """The status that a webhook of Stripe gets."""
    body, webhook = body or event_body(number, ""), stack.json["webhook"]
    headers = {"stripe-signature": signature(body, secret or webhook["secret"])}
    return httpx.post(webhook["url"], content=body, headers=headers, timeout=20).status_code


def dsn(stack: Stack) -> str:
    return str(stack.json["postgres"]["databases"]["entitlements"])
