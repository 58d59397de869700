"""A node of the broker that the services reach, and that doesn't reach the other nodes: it has no majority any more.

``ATLAS_SEED=… ATLAS_FAULTS=…`` (printed) draws the same faults and stories again.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import pytest

from atlas_contracts.streams import BILLING
from support.faults.asking import asking, leader_of, p99, webhooks_of
from support.faults.cluster import (
    BETWEEN_NODES,
    CLUSTER_LINKS,
    ISOLATED,
    SHAPE,
    ClusterHavoc,
    calm,
    draw_for_cluster,
    links_to_others,
    nodes_healthy,
)
from support.faults.storm import UNLIMITED, Crowd, Report, live_through, passed
from support.faults.wiring import Wired, wired_stack
from support.identity import operator_key
from support.seeds import first_seed
from support.stack import WORKSPACE

SEED, OTHERS = first_seed(), int(os.environ.get("ATLAS_FAULTS", "4"))
BEFORE_SECONDS, CUT_SECONDS = 5.0, 40.0
MOVED_SECONDS = 20.0
"""Nine until a request is enough for a service to leave its node (atlas_kit.messaging.trust), and what that one takes."""
CROWD = Crowd(at_once=6, about_to_pay=12)
REPORT = Report(WORKSPACE / "test-results" / "cluster-apart.json", SEED)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def wired() -> Iterator[Wired]:
    """Nodes have proxies between them here, and nowhere else."""
    with wired_stack(UNLIMITED | {"BILLING_PULL_INTERVAL_SECONDS": "0"}, CLUSTER_LINKS | BETWEEN_NODES, SHAPE) as running:
        assert all(link.connections for name, link in running.proxies.links.items() if name in BETWEEN_NODES)
        yield running


def test_nothing_is_lost_doubled_or_wrong_where_nodes_are_cut_off_from_each_other(wired: Wired) -> None:
    print(f"\n{(replay := f'ATLAS_SEED={SEED} ATLAS_FAULTS={OTHERS}')}", flush=True)
    havoc, operator = ClusterHavoc(wired), operator_key(wired.stack.home)
    faults = draw_for_cluster(SEED, OTHERS, ISOLATED)
    storm = live_through(SEED, faults, wired.stack, operator, lambda _teller: havoc, CROWD, lambda: calm(wired.stack))
    figures, findings = asyncio.run(storm)
    assert figures["faults"]["isolate"] == len(ISOLATED)
    passed(replay, REPORT, figures, findings)


def test_webhooks_go_on_while_the_node_that_leads_their_stream_reaches_the_services_and_not_the_others(wired: Wired) -> None:
    """Services that are connected to it have to leave it by themselves: it answers their pings."""
    asyncio.run(nodes_healthy(wired.stack))
    leader = leader_of(wired.stack, BILLING.name)
    links = links_to_others(leader)
    try:
        with asking(webhooks_of(wired.stack), 0.05, threads=4) as webhooks:
            time.sleep(BEFORE_SECONDS)  # what is normal here and now
            cut = time.monotonic()
            for link in links:
                wired.proxies.call(link, "swallow")
            time.sleep(CUT_SECONDS)  # what is asked is what happens in that time
    finally:
        for link in links:
            wired.proxies.call(link, "heal")
    normal = p99([seconds for began, seconds, _ in webhooks.answers if began + seconds < cut])
    after = p99([seconds for began, seconds, _ in webhooks.answers if began > cut + MOVED_SECONDS])
    refused = f"{webhooks.statuses['503']} refused, the last of them {webhooks.last_bad() - cut:.1f} s after it"
    print(f"{leader} apart: {dict(webhooks.statuses)}, {refused}; p99 before {normal:.3f} s, after {after:.3f} s")
    asyncio.run(nodes_healthy(wired.stack))
    assert set(webhooks.statuses) <= {"200", "503"}
    assert webhooks.last_bad() < cut + MOVED_SECONDS
