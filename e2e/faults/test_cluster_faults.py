"""The fault suite on more than one machine's parts: three brokers, two replicas of each service, a primary and a standby.

``ATLAS_SEED=… ATLAS_FAULTS=…`` (printed by each run) draws the same faults and stories again. The slow lane has 20 seeds.
Figures: ``test-results/cluster-faults.json``.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from support.faults import checker
from support.faults.aftermath import heal, judge
from support.faults.cluster import CLUSTER_LINKS, SHAPE, ClusterHavoc, draw_for_cluster, nodes_healthy
from support.faults.wiring import Wired, wired_stack
from support.faults.workload import Grants, PatientTeller, Workload
from support.identity import operator_key
from support.seeds import first_seed, following
from support.stack import WORKSPACE, Stack, eventually

FIRST, SEEDS = first_seed(), int(os.environ.get("ATLAS_SEEDS", "20"))
SHORT = int(os.environ.get("ATLAS_FAULTS", "2"))
LONG = int(os.environ.get("ATLAS_FAULTS", "12"))
PEOPLE_AT_ONCE, ABOUT_TO_PAY = 6, 12
FIGURES = WORKSPACE / "test-results" / "cluster-faults.json"
LIMITS = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}
FIGURED = ("stories", "stripeEvents", "acknowledged", "grants", "ledger", "refusedPromotions", "lost", "duplicated", "invented", "wrong")


@pytest.fixture(scope="module")
def wired() -> Iterator[Wired]:
    """One for all seeds: what one storm leaves behind, the next one finds. One pull at the end of each is enough."""
    with wired_stack(LIMITS | {"BILLING_PULL_INTERVAL_SECONDS": "0"}, CLUSTER_LINKS, SHAPE) as running:
        yield running


@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_wrong_whatever_breaks_in_a_cluster(wired: Wired) -> None:
    play(wired, FIRST, SHORT)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", following(FIRST, SEEDS))
def test_nothing_is_lost_doubled_or_wrong_in_many_storms(wired: Wired, seed: str) -> None:
    play(wired, seed, LONG)


def play(wired: Wired, seed: str, others: int) -> None:
    replay = f"ATLAS_SEED={seed} ATLAS_FAULTS={others}"
    print(f"\n{replay}", flush=True)
    figures, findings = asyncio.run(_run(wired, seed, others))
    print(json.dumps(figures), findings or "", f"so far: {json.dumps(_report(figures))}", sep="\n", flush=True)
    assert not findings, f"{replay}:\n{findings}"


async def _run(wired: Wired, seed: str, others: int) -> tuple[dict[str, Any], checker.Findings]:
    faults = draw_for_cluster(seed, others)
    print("\n".join(map(str, faults)), flush=True)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http:
        teller = PatientTeller(wired.stack, seed, http)
        work = Workload(teller, Grants(teller, wired.stack.url("webhook-ingest"), operator_key(wired.stack.home)))
        havoc = ClusterHavoc(wired)
        await work.prepare(ABOUT_TO_PAY)
        started = time.monotonic()
        over = asyncio.Event()
        playing = asyncio.create_task(work.run(PEOPLE_AT_ONCE, over.is_set))
        try:
            await havoc.run(faults)
        finally:
            over.set()
            await havoc.heal()
        broken = time.monotonic()
        await playing
        await asyncio.to_thread(eventually, lambda: _all_healthy(wired.stack), 90, "every process healthy")
        await nodes_healthy(wired.stack)
        acknowledged, lost = await heal(wired.stack, work)
        healed = time.monotonic()
        findings, attempted, facts = await judge(wired.stack, work, acknowledged)
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
        "refusedPromotions": havoc.refused,
        "seconds": {"broken": round(broken - started, 1), "healing": round(healed - broken, 1)},
        **{name: len(getattr(findings, name)) for name in ("lost", "duplicated", "invented", "wrong")},
    }, findings


def _all_healthy(stack: Stack) -> bool:
    return stack.atlas("status").returncode == 0


def _report(figures: dict[str, Any]) -> dict[str, Any]:
    """Into the report of this session's runs; the sums so far. The stack is one, so its events and facts are its last."""
    FIGURES.parent.mkdir(exist_ok=True)
    runs = [] if figures["seed"] == FIRST or not FIGURES.exists() else json.loads(FIGURES.read_text())["runs"]
    runs.append(figures)
    kinds = sum((Counter(run["faults"]) for run in runs), Counter())
    whole = ("stripeEvents", "acknowledged", "ledger")
    total = {
        "seeds": len(runs),
        "faults": kinds.total(),
        "seconds": round(sum(sum(run["seconds"].values()) for run in runs)),
        **{name: runs[-1][name] if name in whole else sum(run[name] for run in runs) for name in FIGURED},
        "kinds": dict(kinds.most_common()),
    }
    FIGURES.write_text(json.dumps({"seeds": len(runs), "total": total, "runs": runs}, indent=2) + "\n")
    return total
