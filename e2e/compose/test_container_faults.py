"""The fault suite's workload against the containers, which are killed, stopped, paused and cut off meanwhile.

``ATLAS_SEED=…`` (printed by each run) draws the same faults and stories again; ``ATLAS_SEEDS=5`` for the long run.
Figures: ``test-results/container-faults.json``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.buyer import Buyer
from support.compose import ComposeStack
from support.compose_insight import Insight
from support.entitlements import query
from support.faults.containers import Havoc, draw, moved_elsewhere
from support.faults.storm import Crowd, Report, live_through, passed
from support.seeds import first_seed, following
from support.stack import WORKSPACE, eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

SEEDS = int(os.environ.get("ATLAS_SEEDS", "1"))
FIRST = first_seed()
ROUNDS = 1 if SEEDS == 1 else 3
"""In each, four things happen to each of the six containers."""
CROWD = Crowd(at_once=6, about_to_pay=12)
REPORT = Report(WORKSPACE / "test-results" / "container-faults.json", FIRST, ("stripeEvents", "acknowledged", "onlyByPull", "ledger"))


@pytest.mark.parametrize("seed", following(FIRST, SEEDS))
def test_nothing_is_lost_doubled_or_wrong_whatever_happens_to_the_containers(compose: ComposeStack, seed: str) -> None:
    replay = f"ATLAS_SEED={seed} ATLAS_SEEDS={SEEDS}"
    print(f"\n{replay}", flush=True)
    stack = Insight(compose)
    havoc = Havoc(stack.compose)
    storm = live_through(seed, draw(seed, ROUNDS), stack, stack.operator_key, lambda _teller: havoc, CROWD)
    try:
        figures, findings = asyncio.run(storm)
    finally:
        compose.up("--no-recreate")
    passed(replay, REPORT, figures, findings)


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


def _unless_refused(ask: Callable[[], Any]) -> Any:
    with contextlib.suppress(AssertionError, httpx.TransportError):
        return ask()
    return None
