"""Everything breaks while people buy, get refunds, dispute and restore; in the end nothing is lost, nothing is wrong.

``ATLAS_SEED=… ATLAS_FAULTS=…`` (printed by each run) draws the same faults and stories again; ``ATLAS_SEEDS=50`` for
the long run, in which each seed has more faults.
Figures: ``test-results/faults.json``.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from support.faults import checker
from support.faults.aftermath import heal, judge
from support.faults.schedule import Fault, Havoc, draw
from support.faults.wiring import Wired, wired_stack
from support.faults.workload import Grants, PatientTeller, Workload
from support.identity import operator_key
from support.seeds import first_seed, following
from support.stack import WORKSPACE

SEEDS = int(os.environ.get("ATLAS_SEEDS", "1"))
FIRST = first_seed()
SHORT, LONG = 14, 30
OTHER_FAULTS = int(os.environ.get("ATLAS_FAULTS") or (SHORT if SEEDS == 1 else LONG))
"""Beside the kill of each process."""
PEOPLE_AT_ONCE = 10
ABOUT_TO_PAY = 40
SUMMED = ("stories", "stripeEvents", "acknowledged", "onlyByPull", "ledger", "lost", "duplicated", "invented", "wrong")
FIGURES = WORKSPACE / "test-results" / "faults.json"
LIMITS = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", following(FIRST, SEEDS))
def test_nothing_is_lost_doubled_or_wrong_whatever_breaks(seed: str) -> None:
    replay = f"ATLAS_SEED={seed} ATLAS_FAULTS={OTHER_FAULTS}"
    print(f"\n{replay}", flush=True)
    # Half of the long run's seeds have the scheduled pull beside them; the short form shows that one pull is enough.
    pulls_by_itself = OTHER_FAULTS > SHORT and Random(f"{seed}:pull").random() < 0.5
    with wired_stack(LIMITS | ({} if pulls_by_itself else {"BILLING_PULL_INTERVAL_SECONDS": "0"})) as wired:
        figures, findings = asyncio.run(_run(wired, seed))
    total = _report(figures)
    print(json.dumps(figures), findings or "", f"so far: {json.dumps(total)}", sep="\n", flush=True)
    assert not findings, f"{replay}:\n{findings}"


async def _run(wired: Wired, seed: str) -> tuple[dict[str, Any], checker.Findings]:
    faults = draw(seed, OTHER_FAULTS)
    print("\n".join(map(str, faults)), flush=True)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http:
        teller = PatientTeller(wired.stack, seed, http)
        work = Workload(teller, Grants(teller, wired.stack.url("webhook-ingest"), operator_key(wired.stack.home)))
        havoc = Havoc(wired, teller.sandbox, Random(f"{seed}:havoc"))
        await work.prepare(ABOUT_TO_PAY)
        started = time.monotonic()
        broken = await _live_through(havoc, faults, work)
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
        "onlyByPull": len(attempted - acknowledged),
        "grants": {"attempts": work.grants.attempts, "acknowledged": len(work.grants.acknowledged)},
        "ledger": facts,
        "faults": dict(sorted(havoc.happened.items())),
        "seconds": {"broken": round(broken - started, 1), "healing": round(healed - broken, 1)},
        "lost": len(findings.lost),
        "duplicated": len(findings.duplicated),
        "invented": len(findings.invented),
        "wrong": len(findings.wrong),
    }, findings


async def _live_through(havoc: Havoc, faults: list[Fault], work: Workload) -> float:
    """People go on with their lives until the last fault is over, and finish what they began; when healing began."""
    over = asyncio.Event()
    playing = asyncio.create_task(work.run(PEOPLE_AT_ONCE, over.is_set))
    await havoc.run(faults)
    over.set()
    broken = time.monotonic()
    await havoc.heal()
    await playing
    return broken


def _report(figures: dict[str, Any], path: Path = FIGURES) -> dict[str, Any]:
    """Into the report of this session's runs; the sums so far, as docs/reliability.md gives them."""
    path.parent.mkdir(exist_ok=True)
    runs = [] if figures["seed"] == FIRST or not path.exists() else json.loads(path.read_text())["runs"]
    runs.append(figures)
    kinds = sum((Counter(run["faults"]) for run in runs), Counter())
    total = {
        "seeds": len(runs),
        "faults": kinds.total(),
        "seconds": round(sum(sum(run["seconds"].values()) for run in runs)),
        **{name: sum(run[name] for run in runs) for name in SUMMED},
        "kinds": dict(kinds.most_common()),
    }
    path.write_text(json.dumps({"seeds": len(runs), "total": total, "runs": runs}, indent=2) + "\n")
    return total
