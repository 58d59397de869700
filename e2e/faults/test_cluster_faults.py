"""The fault suite on more than one machine's parts: three brokers, two replicas of each service, a primary and a standby.

``ATLAS_SEED=… ATLAS_FAULTS=…`` (printed by each run) draws the same faults and stories again. The slow lane has 20 seeds.
Figures: ``test-results/cluster-faults.json``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from support.faults.cluster import CLUSTER_LINKS, SHAPE, ClusterHavoc, calm, draw_for_cluster
from support.faults.storm import UNLIMITED, Crowd, Report, live_through, passed
from support.faults.wiring import Wired, wired_stack
from support.identity import operator_key
from support.seeds import first_seed, following
from support.stack import WORKSPACE

FIRST, SEEDS = first_seed(), int(os.environ.get("ATLAS_SEEDS", "20"))
SHORT = int(os.environ.get("ATLAS_FAULTS", "2"))
LONG = int(os.environ.get("ATLAS_FAULTS", "12"))
CROWD = Crowd(at_once=6, about_to_pay=12)
# All seeds share a stack, so its events and facts are its last run's.
REPORT = Report(WORKSPACE / "test-results" / "cluster-faults.json", FIRST, ("stripeEvents", "acknowledged", "onlyByPull", "ledger"))


@pytest.fixture(scope="module")
def wired() -> Iterator[Wired]:
    """One for all seeds: what one storm leaves behind, the next one finds. One pull at the end of each is enough."""
    with wired_stack(UNLIMITED | {"BILLING_PULL_INTERVAL_SECONDS": "0"}, CLUSTER_LINKS, SHAPE) as running:
        yield running


@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_wrong_whatever_breaks_in_a_cluster(wired: Wired) -> None:
    play(wired, FIRST, SHORT, hurried=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", following(FIRST, SEEDS))
def test_nothing_is_lost_doubled_or_wrong_in_many_storms(wired: Wired, seed: str) -> None:
    play(wired, seed, LONG)


def play(wired: Wired, seed: str, others: int, *, hurried: bool = False) -> None:
    replay = f"ATLAS_SEED={seed} ATLAS_FAULTS={others}"
    print(f"\n{replay}", flush=True)
    havoc = ClusterHavoc(wired, hurried)
    faults, operator = draw_for_cluster(seed, others), operator_key(wired.stack.home)
    figures, findings = asyncio.run(live_through(seed, faults, wired.stack, operator, lambda _teller: havoc, CROWD, lambda: calm(wired.stack)))
    passed(replay, REPORT, figures | {"refusedPromotions": havoc.refused, "took": havoc.took}, findings)
