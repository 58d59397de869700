"""Poison between good events, and more than can be taken: the good ones arrive in time, memory is bounded."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest

from atlas_contracts.streams import BILLING
from support.buyer import Buyer
from support.entitlements import query
from support.faults import checker
from support.stack import WORKSPACE, Stack, eventually, running_stack

sys.path[:0] = [str(WORKSPACE / "e2e" / "load")]

from webhook_events import event_body, signature

GOOD = 600
POISON_EVERY = 100
PER_SECOND = 100
LATENCY_SECONDS = {"p50": 0.5, "p99": 3.0}
"""Generous: other tests share the machine. What a quiet one does is in docs/reliability.md."""
CONNECTIONS = 5_000
"""More than the door lets wait (4,096)."""
MOST_GROWTH_MB = 400
"""Some 40 kB for each webhook that is being read or waits; nothing of it may stay and grow."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack({"BILLING_PULL_INTERVAL_SECONDS": "0"}) as one:
        yield one


def test_a_poisoned_event_in_every_hundred_delays_no_good_one(stack: Stack) -> None:
    first = int(time.time()) * 1_000_000
    sent = asyncio.run(send_with_poison(stack.json, first))
    dsn = stack.json["postgres"]["databases"]["entitlements"]
    eventually(lambda: query(dsn, "SELECT count(*) FROM ledger")[0][0] == GOOD, 60, "all good ones folded")
    committed = dict(query(dsn, "SELECT provider_event_id, extract(epoch FROM recorded_at)::float8 FROM ledger"))
    cuts = statistics.quantiles([committed[event] - at for event, at in sent.items()], n=100)
    print(f"\nsent → committed with poison: p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms")
    assert cuts[49] < LATENCY_SECONDS["p50"] and cuts[98] < LATENCY_SECONDS["p99"]
    asyncio.run(checker.folded(stack))
    reasons = [item["reason"] for item in json.loads(stack.atlas("parked", "list", "--json").stdout)]
    assert len(reasons) == 2 * GOOD // POISON_EVERY, "at the door and behind it, each is parked"
    assert stack.atlas("rebuild", "--verify").returncode == 0


async def send_with_poison(stack: dict[str, Any], first: int) -> dict[str, float]:
    """When each good event was sent; every hundredth has two bad ones beside it."""
    sent: dict[str, float] = {}
    broker = await nats.connect(stack["nats"]["url"], inbox_prefix=checker.ADMIN_INBOX.encode())

    async with aiohttp.ClientSession() as client:

        async def webhook(body: bytes) -> None:
            headers = {"stripe-signature": signature(body, stack["webhook"]["secret"])}
            async with client.post(stack["webhook"]["url"], data=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()

        async def good(number: int) -> None:
            sent[f"evt_{number:016d}"] = time.time()
            await webhook(event_body(number, ""))

        tasks, started = [], time.monotonic()
        for count in range(GOOD):
            await asyncio.sleep(max(0.0, started + count / PER_SECOND - time.monotonic()))
            if count % POISON_EVERY == POISON_EVERY // 2:
                senseless = json.loads(event_body(first + count, "bad"))
                senseless["data"]["object"]["amount_total"] = "much"
                tasks.append(asyncio.create_task(webhook(json.dumps(senseless).encode())))
                await broker.jetstream().publish("billing.v1.purchase_succeeded", b"\xff{", stream=BILLING.name)
            tasks.append(asyncio.create_task(good(first + count)))
        await asyncio.gather(*tasks)
    await broker.close()
    return sent


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_overload_is_refused_honestly_and_leaves_nothing_behind(stack: Stack, tmp_path: Path) -> None:
    command = [sys.executable, str(WORKSPACE / "e2e" / "load" / "overload.py"), "--seconds", "10", "--storm", "10000"]
    command += ["--connections", str(CONNECTIONS)]
    report = tmp_path / "overload.json"
    subprocess.run([*command, "--json", str(report)], env=stack.environment(), check=True, timeout=500)
    figures = json.loads(report.read_text())
    (WORKSPACE / "test-results").mkdir(exist_ok=True)
    (WORKSPACE / "test-results" / "overload.json").write_text(json.dumps(figures, indent=2) + "\n")
    assert figures["lost"] == 0
    assert figures["honest"], "each 503 says when to come back"
    assert set(figures["flood"]["answers"]) | set(figures["storm"]["answers"]) <= {"200", "429", "503"}
    growth = {name: part["mostMB"] - part["beforeMB"] for name, part in figures["memory"].items()}
    assert max(growth.values()) < MOST_GROWTH_MB, growth
    assert set(figures["calmAgain"]["answers"]) == {"200"}
    Buyer(stack).buy()
