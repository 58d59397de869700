"""The fault suite's workload against the containers, which are killed, stopped, paused and cut off meanwhile.

``ATLAS_SEED=…`` (printed by each run) draws the same faults and stories again; ``ATLAS_SEEDS=5`` for the long run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import pytest

from support.buyer import Buyer
from support.compose import ComposeStack
from support.compose_insight import Insight
from support.entitlements import query
from support.faults import checker
from support.faults.aftermath import heal, judge
from support.faults.containers import Havoc, draw, moved_elsewhere
from support.faults.workload import Grants, PatientTeller, Workload
from support.seeds import first_seed, following
from support.stack import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

SEEDS = int(os.environ.get("ATLAS_SEEDS", "1"))
FIRST = first_seed()
ROUNDS = 1 if SEEDS == 1 else 3
"""In each, four things happen to each of the six containers."""
PEOPLE_AT_ONCE = 6
ABOUT_TO_PAY = 12


@pytest.mark.parametrize("seed", following(FIRST, SEEDS))
def test_nothing_is_lost_doubled_or_wrong_whatever_happens_to_the_containers(compose: ComposeStack, seed: str) -> None:
    replay = f"ATLAS_SEED={seed} ATLAS_SEEDS={SEEDS}"
    print(f"\n{replay}", flush=True)
    try:
        figures, findings = asyncio.run(_run(Insight(compose), seed))
    finally:
        compose.up("--no-recreate")
    print(json.dumps(figures), findings or "", sep="\n", flush=True)
    assert not findings, f"{replay}:\n{findings}"


@pytest.mark.slow
@pytest.mark.parametrize("server", ["postgres", "nats"])
def test_a_server_that_comes_back_elsewhere_and_never_heard_its_clients_go_is_found_again(
    compose: ComposeStack, server: str
) -> None:
    """Its old sessions, the outboxes' leases among them, end although nobody said goodbye."""
    stack = Insight(compose)
    Buyer(compose).buy()
    moved_elsewhere(compose, server)
    bought = time.monotonic()
    buyer = Buyer(compose)
    session = eventually(lambda: _unless_refused(buyer.open_checkout), 60, "a checkout")
    buyer.pay(session)
    eventually(lambda: _unless_refused(buyer.is_pro), 60, "Pro")
    databases = stack.json["postgres"]["databases"].values()
    eventually(lambda: all(query(dsn, "SELECT count(*) FROM outbox") == [(0,)] for dsn in databases), 90, "all is told")
    print(f"{server} elsewhere: everything told after {time.monotonic() - bought:.1f} s")


async def _run(stack: Insight, seed: str) -> tuple[dict[str, Any], checker.Findings]:
    faults = draw(seed, ROUNDS)
    print("\n".join(map(str, faults)), flush=True)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http:
        teller = PatientTeller(stack, seed, http)
        work = Workload(teller, Grants(teller, stack.url("webhook-ingest"), stack.operator_key))
        havoc = Havoc(stack.compose)
        await work.prepare(ABOUT_TO_PAY)
        over = asyncio.Event()
        started = time.monotonic()
        playing = asyncio.create_task(work.run(PEOPLE_AT_ONCE, over.is_set))
        await havoc.run(faults)
        over.set()
        await playing
        broken = time.monotonic()
        acknowledged, lost = await heal(stack, work)
        healed = time.monotonic()
        findings, attempted, facts = await judge(stack, work, acknowledged)
    findings.lost |= lost
    return {
        "seed": seed,
        "stories": len(work.stories),
        "answers": dict(sorted(work.answers.items())),
        "stripeEvents": len(attempted),
        "acknowledged": len(acknowledged & attempted),
        "grants": len(work.grants.acknowledged),
        "ledger": facts,
        "faults": dict(sorted(havoc.happened.items())),
        "seconds": {"broken": round(broken - started, 1), "healing": round(healed - broken, 1)},
    }, findings


def _unless_refused(ask: Callable[[], Any]) -> Any:
    with contextlib.suppress(AssertionError, httpx.TransportError):
        return ask()
    return None
