"""deploy/compose.cluster.yml: any one part dies, the others go on; a promoted standby is written to without a restart."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator

import httpx
import pytest
from docker.models.containers import Container

from support.buyer import Buyer
from support.compose import ComposeStack, running_compose_stack, skip_without_compose
from support.stack import WORKSPACE, eventually

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]

FILE = ("-f", "deploy/compose.cluster.yml", "--profile", "sandbox")
LIMITS = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}
SERVICES = ("account-gateway", "webhook-ingest", "checkout", "entitlements")
READ_SECONDS = 30.0
AGAIN_SECONDS = 300.0
"""Some twenty containers share the machine with the test; on a busy one each answer takes its time."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ComposeStack]:
    skip_without_compose()
    with running_compose_stack(LIMITS, *FILE) as stack:
        yield stack


def buys(cluster: ComposeStack) -> Buyer:
    """A whole purchase by somebody new. Opening is repeated after a 503, as a person would press again."""

    def opened() -> tuple[Buyer, str] | None:
        buyer = Buyer(cluster)
        try:
            return buyer, buyer.open_checkout()
        except (AssertionError, httpx.TransportError):
            return None

    buyer, session_id = eventually(opened, AGAIN_SECONDS, "a checkout opens")
    buyer.pay(session_id)
    eventually(lambda: reads_pro(buyer), AGAIN_SECONDS, f"{buyer.user} is Pro")
    return buyer


def reads_pro(buyer: Buyer) -> bool:
    answer = buyer.browser.get("/api/pro/entitlement")
    assert answer.status_code in (200, 503), answer.text
    return answer.status_code == 200 and bool(answer.json()["data"]["isPro"])


def still_pro(buyer: Buyer) -> bool:
    """A read may hear 503 while the load balancer finds out who is there."""
    return bool(eventually(lambda: reads_pro(buyer), READ_SECONDS, f"{buyer.user} is still Pro"))


@contextlib.contextmanager
def killed(cluster: ComposeStack, *names: str) -> Iterator[None]:
    """Killed meanwhile; afterwards started again, and healthy."""
    containers = [cluster.containers()[name] for name in names]
    for container in containers:
        container.kill()
    try:
        yield
    finally:
        for container in containers:
            container.start()
    eventually(lambda: all(healthy(container) for container in containers), AGAIN_SECONDS, f"{names} healthy again")


def as_the_page_says(cluster: ComposeStack, heading: str) -> None:
    """Runs the commands in a section of docs/operations.md; ``-T`` because a test has no terminal."""
    section = (WORKSPACE / "docs" / "operations.md").read_text().split(f"\n### {heading}\n")[1].split("\n#")[0]
    commands = re.findall(r"^docker compose -f deploy/compose\.cluster\.yml (.+)$", section, re.MULTILINE)
    assert commands, f"no command under {heading!r}"
    for command in commands:
        name, *others = shlex.split(command)
        cluster.do(name, *(["-T"] if name in ("exec", "run") else []), *others, timeout=AGAIN_SECONDS)


def healthy(container: Container) -> bool:
    container.reload()
    return bool(container.health == "healthy")


def test_everything_is_there_twice_and_the_brokers_three_times(cluster: ComposeStack) -> None:
    running = set(cluster.containers())
    assert {f"{service}-{number}" for service in SERVICES for number in (1, 2)} <= running
    assert {"nats-1-1", "nats-2-1", "nats-3-1", "postgres-1", "postgres-standby-1", "load-balancer-1"} <= running
    following = "SELECT state, sync_state FROM pg_stat_replication"
    eventually(lambda: cluster.sql("postgres", following) == "streaming|sync", AGAIN_SECONDS, "commits wait for the standby")


def test_without_one_replica_of_each_service_a_purchase_goes_through(cluster: ComposeStack) -> None:
    before = buys(cluster)
    with killed(cluster, *(f"{service}-1" for service in SERVICES)):
        assert reads_pro(buys(cluster)) and still_pro(before)


@pytest.mark.parametrize("node", ["nats-1", "nats-2", "nats-3"])
def test_without_one_broker_a_purchase_goes_through(cluster: ComposeStack, node: str) -> None:
    before = buys(cluster)
    with killed(cluster, f"{node}-1"):
        assert reads_pro(buys(cluster)) and still_pro(before)


def test_without_the_standby_a_purchase_goes_through(cluster: ComposeStack) -> None:
    with killed(cluster, "postgres-standby-1"):
        assert reads_pro(buys(cluster))


def test_the_standby_takes_over_with_all_that_was_bought_and_the_old_primary_does_not_come_back_beside_it(
    cluster: ComposeStack,
) -> None:
    eventually(
        lambda: cluster.sql("postgres", "SELECT sync_state FROM pg_stat_replication") == "sync", AGAIN_SECONDS, "in step"
    )
    before = [buys(cluster) for _ in range(3)]
    old = cluster.containers()["postgres-1"]
    old.kill()
    as_the_page_says(cluster, "Promoting the standby")
    assert reads_pro(buys(cluster))
    assert all(still_pro(buyer) for buyer in before)
    # It still calls itself a primary. Started again it must not take writes beside the new one.
    old.start()
    eventually(lambda: "is the primary now" in cluster.do("logs", "postgres"), AGAIN_SECONDS, "it refuses")

    as_the_page_says(cluster, "The old primary")
    eventually(lambda: healthy(cluster.containers()["postgres-1"]), AGAIN_SECONDS, "it has copied the new primary")
    assert cluster.sql("postgres", "SELECT pg_is_in_recovery()") == "t"
    assert reads_pro(buys(cluster))
