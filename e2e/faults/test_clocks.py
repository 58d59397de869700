"""Clocks jump, forwards and backwards, while everything runs: nothing is lost, and all is well once they are right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import httpx
import pytest

from support.buyer import Buyer, new_user
from support.faults import checker
from support.faults.schedule import SERVICES
from support.faults.wiring import Wired, wired_stack
from support.stack import eventually

HOUR = 3600.0
NOTICED_SECONDS = 40.0
"""The pull looks every five seconds; this machine may be busy."""


@pytest.fixture(scope="module")
def wired() -> Iterator[Wired]:
    with wired_stack({"BILLING_PULL_INTERVAL_SECONDS": "1"}) as one:
        yield one


@contextmanager
def clock_moved(wired: Wired, service: str, seconds: float) -> Iterator[None]:
    wired.move_clock(service, seconds)
    try:
        yield
    finally:
        wired.move_clock(service, 0.0)


@contextmanager
def webhooks_lost(wired: Wired) -> Iterator[None]:
    sandbox = f"{wired.stack.url('sandbox')}/_sandbox/delivery"
    httpx.put(sandbox, json={"mode": "drop"}).raise_for_status()
    try:
        yield
    finally:
        httpx.put(sandbox, json={"mode": "normal"}).raise_for_status()


def test_the_clock_of_a_service_really_jumps(wired: Wired) -> None:
    def ahead() -> float:
        said = httpx.get(wired.stack.url("account-gateway") + "/api/health").json()["timestamp"]
        return datetime.fromisoformat(said).timestamp() - time.time()

    with clock_moved(wired, "account-gateway", HOUR):
        assert HOUR - 60 < ahead() < HOUR + 60
    assert abs(ahead()) < 60


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["ahead", "behind"])
@pytest.mark.parametrize("service", SERVICES)
def test_answers_are_right_or_an_honest_503_and_right_again_with_the_clock(
    wired: Wired, service: str, seconds: float
) -> None:
    buyer = Buyer(wired.stack)
    buyer.buy()
    newcomer = Buyer(wired.stack)
    newcomer.entitlement()
    with clock_moved(wired, service, seconds):
        honest(buyer.browser.get("/api/pro/entitlement"), is_pro=True)
        honest(buyer.browser.post("/api/pro/restore", json={"trigger": "account"}))
        honest(newcomer.browser.get("/api/pro/entitlement"), is_pro=False)
        honest(newcomer.browser.post("/api/billing/stripe/checkout", json={"source": "hero"}))
    assert buyer.is_pro(), "at once, without a restart"
    newcomer.buy()


def honest(answer: httpx.Response, is_pro: bool | None = None) -> None:
    """What is true, or 503 and when to come back."""
    told = answer.json()
    if answer.status_code == 503:
        assert told["error"]["recovery"] == "retry_later", told
        return
    assert answer.status_code == 200, (answer.status_code, told)
    assert is_pro is None or told["data"]["isPro"] is is_pro, told


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_webhooks_that_a_wrong_clock_refuses_come_again_and_take_effect(wired: Wired, seconds: float) -> None:
    buyer = Buyer(wired.stack)
    session = buyer.open_checkout()
    with clock_moved(wired, "webhook-ingest", seconds):
        buyer.pay(session)
        eventually(lambda: refused_webhooks(wired) > 0, NOTICED_SECONDS, "a webhook was refused")
    httpx.post(f"{wired.stack.url('sandbox')}/_sandbox/delivery/flush").raise_for_status()
    eventually(buyer.is_pro, NOTICED_SECONDS, "Pro, by webhook or pull")


def refused_webhooks(wired: Wired) -> int:
    log = (wired.stack.home / "logs" / "webhook-ingest.log").read_text()
    return log.count('"outside_tolerance"')


def test_the_pull_finds_what_is_paid_after_its_clock_was_an_hour_ahead(wired: Wired) -> None:
    buyer = Buyer(wired.stack)
    session = buyer.open_checkout()
    with clock_moved(wired, "webhook-ingest", HOUR):
        before = pulls(wired)
        eventually(lambda: pulls(wired) > before, NOTICED_SECONDS, "a pull by the wrong clock")
    with webhooks_lost(wired):
        buyer.pay(session)
        eventually(buyer.is_pro, NOTICED_SECONDS, "Pro by the scheduled pull: its cursor is not in the future")


def test_the_pull_finds_what_is_paid_while_its_clock_is_an_hour_behind(wired: Wired) -> None:
    buyer = Buyer(wired.stack)
    session = buyer.open_checkout()
    with clock_moved(wired, "webhook-ingest", -HOUR), webhooks_lost(wired):
        buyer.pay(session)
        eventually(buyer.is_pro, NOTICED_SECONDS, "Pro by the scheduled pull: it goes on, and reads to the end")


def test_an_operator_is_refused_while_the_door_is_ahead_and_heard_afterwards(wired: Wired) -> None:
    grant = ("grant", new_user("granted"), "--reason", "test of clocks")
    with clock_moved(wired, "webhook-ingest", HOUR):
        refused = wired.stack.atlas(*grant)
        assert refused.returncode != 0
        assert "clocks" in refused.stderr + refused.stdout
    done = wired.stack.atlas(*grant)
    assert done.returncode == 0, done.stderr


def test_in_the_end_the_books_are_right(wired: Wired) -> None:
    assert checker.stored_twice(wired.stack) == []
    assert checker.announced_wrongly(wired.stack) == []
    assert checker.operators_findings(wired.stack) == []


def pulls(wired: Wired) -> int:
    """Scheduled pulls that came to their end."""
    return (wired.stack.home / "logs" / "webhook-ingest.log").read_text().count('"billing.pull.done"')
