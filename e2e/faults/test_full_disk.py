"""A disk is full, the broker's or Postgres': refused honestly or kept, nothing acknowledged is lost; room puts it right."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from support.buyer import Buyer
from support.faults import checker
from support.stack import WORKSPACE, Stack, eventually, new_stack

sys.path[:0] = [str(WORKSPACE / "e2e" / "load")]

from webhook_events import event_body, signature

BROKERS_MB, POSTGRES_MB = 64, 160
REFUSED = 3
NO_ROOM = "No space left on device"
WRITE_AHEAD = "SELECT pg_logical_emit_message(false, 'fills', repeat('x', 1000000))"
"""A megabyte of write-ahead log that means nothing."""
LONGEST_PAUSE_SECONDS = 90.0
"""The projector tries again after at most a minute."""


@contextlib.contextmanager
def small_disk(where: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own at ``where``, in memory."""
    where.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs root and the right to mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@pytest.mark.slow
def test_a_full_disk_of_the_broker_refuses_and_loses_nothing() -> None:
    with new_stack({"BILLING_PULL_INTERVAL_SECONDS": "0"}) as stack, small_disk(
        stack.home / "data" / "nats", BROKERS_MB
    ):
        stack.up()
        numbers = iter(range(int(time.time()) * 1_000_000, 10**18))
        accepted = {number for number in (next(numbers) for _ in range(50)) if delivered(stack, number)}
        assert len(accepted) == 50

        filler = fill(stack.home / "data" / "nats" / "filler")
        refused: set[int] = set()
        while len(refused) < REFUSED:
            assert len(accepted) < 1000, "a full disk takes no more"
            number = next(numbers)
            (accepted if delivered(stack, number) else refused).add(number)
        assert stack.status()["nats"]["health"] == "down", "and status says it"

        filler.unlink()
        os.kill(stack.pid("nats"), signal.SIGTERM)  # the server keeps its write error until it starts anew
        for number in refused:
            eventually(lambda n=number: delivered(stack, n), 60, "taken now")
        asyncio.run(checker.folded(stack))
        assert ids(accepted | refused) <= set(checker.ledger_ids(stack))
        assert checker.announced_wrongly(stack) == []
        Buyer(stack).buy()
        stack.down()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_full_disk_of_postgres_keeps_webhooks_and_reads_and_heals_by_itself() -> None:
    with stack_on_a_small_disk() as (stack, data):
        buyer, numbers = Buyer(stack), iter(range(int(time.time()) * 1_000_000, 10**18))
        buyer.buy()
        newcomer = Buyer(stack)
        opened = newcomer.open_checkout()

        filler = fill(data / "filler")
        accepted: set[int] = set()
        while len(accepted) < 20 or NO_ROOM not in log_of(stack):
            assert len(accepted) < 2000, "a full disk takes no more"
            accepted.add(next(numbers))
            assert delivered(stack, max(accepted)), "webhooks wait on the broker"
        newcomer.pay(opened)
        assert buyer.is_pro(), "reads go on"
        assert ids(accepted) - set(checker.ledger_ids(stack)), "not everything found room"
        assert only_honest_answers(newcomer)

        filler.unlink()
        eventually(newcomer.is_pro, LONGEST_PAUSE_SECONDS, "folded, by nobody's hand")
        in_the_books(stack, accepted)
        Buyer(stack).buy()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_room_for_the_write_ahead_log_stops_postgres_until_it_is_started_with_room() -> None:
    with stack_on_a_small_disk() as (stack, data):
        buyer, numbers = Buyer(stack), iter(range(int(time.time()) * 1_000_000, 10**18))
        buyer.buy()
        filler = fill(data / "filler")
        with pytest.raises(psycopg.OperationalError), psycopg.connect(dsn(stack), autocommit=True) as connection:
            for _ in range(1000):
                connection.execute(WRITE_AHEAD)

        accepted = {number for number in (next(numbers) for _ in range(20)) if delivered(stack, number)}
        assert len(accepted) == 20, "webhooks wait on the broker"
        assert only_honest_answers(buyer)
        eventually(lambda: "given up" in json.dumps(stack.status()), 120, "and status says it")

        filler.unlink()
        stack.down()
        stack.up()
        assert buyer.is_pro()
        in_the_books(stack, accepted)
        Buyer(stack).buy()


@contextlib.contextmanager
def stack_on_a_small_disk() -> Iterator[tuple[Stack, Path]]:
    """A running stack whose Postgres has a file system of its own, and where that is."""
    with new_stack({"BILLING_PULL_INTERVAL_SECONDS": "0", "RATE_LIMIT_CHECKOUT": "0"}) as stack:
        stack.up()
        stack.down()
        data = stack.home / "data" / "postgres"
        made = data.rename(data.with_name("made"))
        with small_disk(data, POSTGRES_MB):
            subprocess.run(["cp", "-a", f"{made}/.", str(data)], check=True)
            stack.up()
            yield stack, data
            stack.down()


def only_honest_answers(buyer: Buyer) -> bool:
    """Each request is answered right, or with 503 and when to come back."""
    answers = [buyer.browser.get("/api/pro/entitlement"), buyer.browser.post("/api/billing/stripe/checkout", json={})]
    for answer in answers:
        assert answer.status_code in (200, 400, 503), answer.text
        assert answer.status_code != 503 or answer.json()["error"]["recovery"] == "retry_later"
    return True


def in_the_books(stack: Stack, accepted: set[int]) -> None:
    """All that was acknowledged, once, and nothing else is wrong."""
    asyncio.run(checker.folded(stack))
    ledger = checker.ledger_ids(stack)
    assert ids(accepted) <= set(ledger)
    assert len(ledger) == len(set(ledger))
    assert checker.announced_wrongly(stack) == []
    assert stack.atlas("rebuild", "--verify").returncode == 0


def ids(numbers: set[int]) -> set[str]:
    return {f"evt_{number:016d}" for number in numbers}


def dsn(stack: Stack) -> str:
    return str(stack.json["postgres"]["databases"]["entitlements"])


def log_of(stack: Stack) -> str:
    return (stack.home / "logs" / "postgres.log").read_text(errors="replace")


def delivered(stack: Stack, number: int) -> bool:
    """Whether the webhook was acknowledged; if not, it must have been refused as temporary."""
    body, webhook = event_body(number, ""), stack.json["webhook"]
    headers = {"stripe-signature": signature(body, webhook["secret"])}
    answer = httpx.post(webhook["url"], content=body, headers=headers, timeout=15)
    assert answer.status_code in (200, 503), answer.text
    return answer.status_code == 200


def fill(path: Path) -> Path:
    """Until nothing more fits."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return path
