"""A node of the broker that the services reach, and that doesn't reach the other nodes: it has no majority any more.

``ATLAS_SEED=… ATLAS_FAULTS=…`` (printed) draws the same faults and stories again.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator

import pytest

from support.faults.cluster import BETWEEN_NODES, CLUSTER_LINKS, ISOLATED, SHAPE, draw_for_cluster
from support.faults.storm import storm
from support.faults.wiring import Wired, wired_stack
from support.seeds import first_seed

SEED, OTHERS = first_seed(), int(os.environ.get("ATLAS_FAULTS", "4"))
LIMITS = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def wired() -> Iterator[Wired]:
    """Nodes have proxies between them here, and nowhere else."""
    with wired_stack(LIMITS | {"BILLING_PULL_INTERVAL_SECONDS": "0"}, CLUSTER_LINKS | BETWEEN_NODES, SHAPE) as running:
        assert all(link.connections for name, link in running.proxies.links.items() if name in BETWEEN_NODES)
        yield running


def test_nothing_is_lost_doubled_or_wrong_where_nodes_are_cut_off_from_each_other(wired: Wired) -> None:
    replay = f"ATLAS_SEED={SEED} ATLAS_FAULTS={OTHERS}"
    print(f"\n{replay}", flush=True)
    figures, findings = asyncio.run(storm(wired, SEED, draw_for_cluster(SEED, OTHERS, ISOLATED)))
    print(json.dumps(figures), findings or "", sep="\n", flush=True)
    assert figures["faults"]["isolate"] == len(ISOLATED)
    assert not findings, f"{replay}:\n{findings}"
