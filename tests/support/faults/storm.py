"""One storm: people live on while faults happen, then everything heals, one pull follows, and the books are judged."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from pydantic import SecretStr

from support.faults import checker
from support.faults.aftermath import heal, judge
from support.faults.workload import Grants, PatientTeller, Workload
from support.stack import Stack

UNLIMITED = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}
"""Settings: people in a storm click more often than people do."""
SUMMED = ("stories", "stripeEvents", "acknowledged", "onlyByPull", "grants", "ledger", "lost", "duplicated", "invented", "wrong")


class Havoc(Protocol):
    """What lets faults happen to a system, and mends what still stands broken."""

    happened: Counter[str]

    async def run(self, faults: Sequence[Any]) -> None:
        """Until the last fault has happened."""

    async def heal(self) -> None:
        """Everything runs and is connected again."""


@dataclass(frozen=True)
class Crowd:
    """How many people live at once, and how many have a checkout open when the storm begins."""

    at_once: int
    about_to_pay: int


async def _calm() -> None:
    pass


async def live_through(
    seed: str,
    faults: Sequence[Any],
    stack: Stack,
    operator: SecretStr,
    havoc_with: Callable[[PatientTeller], Havoc],
    crowd: Crowd,
    calm: Callable[[], Awaitable[None]] = _calm,
) -> tuple[dict[str, Any], checker.Findings]:
    """Figures and findings of one storm. ``calm`` waits until what was mended runs again."""
    print("\n".join(map(str, faults)), flush=True)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http:
        teller = PatientTeller(stack, seed, http)
        work = Workload(teller, Grants(teller, stack.url("webhook-ingest"), operator))
        havoc = havoc_with(teller)
        await work.prepare(crowd.about_to_pay)
        started = time.monotonic()
        broken = await _until_the_last(havoc, faults, work, crowd.at_once)
        await calm()
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
        "onlyByPull": len(attempted - acknowledged),
        "grants": len(work.grants.acknowledged),
        "ledger": facts,
        "faults": dict(sorted(havoc.happened.items())),
        "seconds": {"broken": round(broken - started, 1), "healing": round(healed - broken, 1)},
        **{name: len(getattr(findings, name)) for name in ("lost", "duplicated", "invented", "wrong")},
    }, findings


async def _until_the_last(havoc: Havoc, faults: Sequence[Any], work: Workload, at_once: int) -> float:
    """People go on with their lives until the last fault is over, and finish what they began; when healing began."""
    over = asyncio.Event()
    playing = asyncio.create_task(work.run(at_once, over.is_set))
    try:
        await havoc.run(faults)
    finally:
        over.set()
        broken = time.monotonic()
        await havoc.heal()
    await playing
    return broken


@dataclass(frozen=True)
class Report:
    """The figures of one session's runs, in a file; what docs/reliability.md gives."""

    path: Path
    first: str
    """The seed with which the file begins anew."""
    standing: Sequence[str] = ()
    """Figures that count what is there in the end, not what a run added: where all runs share a stack."""

    def add(self, figures: dict[str, Any]) -> dict[str, Any]:
        """Keep one run's figures. Returns the sums so far."""
        self.path.parent.mkdir(exist_ok=True)
        begins = figures["seed"] == self.first or not self.path.exists()
        runs = [] if begins else json.loads(self.path.read_text())["runs"]
        runs.append(figures)
        kinds = sum((Counter(run["faults"]) for run in runs), Counter())
        total = {
            "seeds": len(runs),
            "faults": kinds.total(),
            "seconds": round(sum(sum(run["seconds"].values()) for run in runs)),
            **{name: figures[name] if name in self.standing else sum(run[name] for run in runs) for name in SUMMED},
            "kinds": dict(kinds.most_common()),
        }
        self.path.write_text(json.dumps({"seeds": len(runs), "total": total, "runs": runs}, indent=2) + "\n")
        return total


def passed(replay: str, report: Report, figures: dict[str, Any], findings: checker.Findings) -> None:
    """Print and keep the figures. Raises AssertionError with what replays the storm if something was found."""
    print(json.dumps(figures), findings or "", f"so far: {json.dumps(report.add(figures))}", sep="\n", flush=True)
    assert not findings, f"{replay}:\n{findings}"
