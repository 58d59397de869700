"""Everything breaks while people buy, get refunds, dispute and restore; in the end nothing is lost, nothing is wrong.

``ATLAS_SEED=… ATLAS_FAULTS=…`` (printed by each run) draws the same faults and stories again; ``ATLAS_SEEDS=50`` for
the long run, in which each seed has more faults.
Figures: ``test-results/faults.json``.
"""

from __future__ import annotations

import asyncio
import os
from random import Random

import pytest

from support.faults.schedule import Havoc, draw
from support.faults.storm import UNLIMITED, Crowd, Report, live_through, passed
from support.faults.wiring import wired_stack
from support.identity import operator_key
from support.seeds import first_seed, following
from support.stack import WORKSPACE

SEEDS = int(os.environ.get("ATLAS_SEEDS", "1"))
FIRST = first_seed()
SHORT, LONG = 14, 30
OTHER_FAULTS = int(os.environ.get("ATLAS_FAULTS") or (SHORT if SEEDS == 1 else LONG))
"""Beside the kill of each process."""
CROWD = Crowd(at_once=10, about_to_pay=40)
REPORT = Report(WORKSPACE / "test-results" / "faults.json", FIRST)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", following(FIRST, SEEDS))
def test_nothing_is_lost_doubled_or_wrong_whatever_breaks(seed: str) -> None:
    replay = f"ATLAS_SEED={seed} ATLAS_FAULTS={OTHER_FAULTS}"
    print(f"\n{replay}", flush=True)
    # Half of the long run's seeds have the scheduled pull beside them; the short form shows that one pull is enough.
    pulls_by_itself = OTHER_FAULTS > SHORT and Random(f"{seed}:pull").random() < 0.5
    with wired_stack(UNLIMITED | ({} if pulls_by_itself else {"BILLING_PULL_INTERVAL_SECONDS": "0"})) as wired:
        operator = operator_key(wired.stack.home)
        storm = live_through(
            seed,
            draw(seed, OTHER_FAULTS),
            wired.stack,
            operator,
            lambda teller: Havoc(wired, teller.sandbox, Random(f"{seed}:havoc")),
            CROWD,
        )
        figures, findings = asyncio.run(storm)
    passed(replay, REPORT, figures, findings)
