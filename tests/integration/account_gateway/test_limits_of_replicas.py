"""A limit holds for a user however many replicas of the gateway there are; what happens while nobody counts for all."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import cycle, islice

import httpx
import psutil
import pytest

from support.buyer import Buyer
from support.gateway import NOBODY_LISTENS
from support.replicas import Replica, further_replica, wait_until_ready
from support.stack import Stack, new_stack

PORTAL = "/api/billing/stripe/portal"
LIMIT = 6

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with new_stack({"RATE_LIMIT_PORTAL": f"{LIMIT}/300", "BILLING_PULL_INTERVAL_SECONDS": "0"}) as running:
        running.up()
        yield running


@pytest.fixture(scope="module")
def replica(stack: Stack) -> Iterator[Replica]:
    with further_replica(stack, "account-gateway") as further:
        wait_until_ready(further)
        yield further


def asked_in_turn(buyer: Buyer, urls: list[str], count: int) -> list[httpx.Response]:
    """The user's requests, one after another, each at the next replica."""
    cookies = {"cookie": "; ".join(f"{name}={value}" for name, value in buyer.browser.cookies.items())}
    with httpx.Client(timeout=30, trust_env=False) as client:
        return [client.get(url + PORTAL, headers=cookies) for url in islice(cycle(urls), count)]


def test_two_replicas_let_through_as_many_as_one(stack: Stack, replica: Replica) -> None:
    buyer = Buyer(stack)
    answers = asked_in_turn(buyer, [stack.url("account-gateway"), replica.url], LIMIT + 4)

    assert [answer.status_code for answer in answers] == [404] * LIMIT + [429] * 4, "404: nothing bought yet"
    assert [answer.headers.get("x-ratelimit-remaining") for answer in answers[LIMIT:]] == ["0"] * 4
    resets = {answer.headers["x-ratelimit-reset"] for answer in answers[LIMIT:]}
    assert max(map(int, resets)) - min(map(int, resets)) <= 1, "one window for both"


def test_a_replica_that_does_not_reach_checkout_goes_by_its_own_count(stack: Stack) -> None:
    buyer = Buyer(stack)
    with further_replica(stack, "account-gateway", CHECKOUT_URL=NOBODY_LISTENS) as cut_off:
        wait_until_ready(cut_off)
        answers = asked_in_turn(buyer, [cut_off.url], LIMIT + 2)
    assert [answer.status_code for answer in answers] == [503] * LIMIT + [429] * 2, "503: no portal without checkout"
    assert asked_in_turn(buyer, [stack.url("account-gateway")], 1)[0].status_code == 404, "counted nowhere else"


def test_a_checkout_service_that_hangs_delays_a_refusal_by_no_more_than_the_question(stack: Stack, replica: Replica) -> None:
    buyer = Buyer(stack)
    asked_in_turn(buyer, [replica.url], LIMIT)
    checkout = psutil.Process(stack.pid("checkout"))
    checkout.send_signal(signal.SIGSTOP)
    try:
        [refused] = asked_in_turn(buyer, [replica.url], 1)
    finally:
        checkout.send_signal(signal.SIGCONT)
    assert refused.status_code == 429, "by this replica's own count"
    assert refused.elapsed.total_seconds() < 5
