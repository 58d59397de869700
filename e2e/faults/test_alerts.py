"""A real Prometheus on a real stack: each fault fires its alert, and none beyond those that the docs name, and it clears.

One stack for all, broken in one way after another. The alerts are the product's, with shorter times (support.prometheus).
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from support import prometheus
from support.buyer import Buyer
from support.faults.alerting import FAULTS
from support.prometheus import Prometheus, panels, watching
from support.stack import WORKSPACE, Stack, eventually, new_stack

FIRES_SECONDS, CLEARS_SECONDS = 120.0, 150.0
BROKERS_MB = 64
QUIET_SECONDS = 6
"""Without an alert this long, and longer than `for:` in the test, a stack counts as quiet."""


@dataclass
class World:
    stack: Stack
    watch: Prometheus
    small_disk: bool


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    prometheus.needed()
    settings = {"BILLING_PULL_INTERVAL_SECONDS": "0", "RATE_LIMIT_CHECKOUT": "0"}
    with new_stack(settings) as stack, broker_on_a_small_disk(stack) as small:
        told = stack.up("--observe")["prometheus"]
        assert httpx.get(f"{told['url']}/-/ready", timeout=10).status_code == 200
        assert told["pid"] > 0
        assert stack.status()["prometheus"]["health"] == "ok"
        rules = httpx.get(f"{told['url']}/api/v1/rules", timeout=10).json()["data"]["groups"][0]["rules"]
        assert {rule["name"] for rule in rules} >= {"AtlasBrokerDown", "AtlasPaymentRefused"}, "the product's own rules"
        with watching(stack) as watch:
            lived(stack)
            yield World(stack, watch, small)


def lived(stack: Stack) -> None:
    """A purchase, a refund, a stream, an audit and a pull, so that there is something to see."""
    buyer = Buyer(stack)
    session_id = buyer.buy()
    with buyer.browser.stream("GET", "/api/pro/entitlement/stream", timeout=30):
        buyer.refund(session_id)
        eventually(lambda: buyer.entitlement()["status"] == "revoked", what="refunded")
    assert stack.atlas("pull").returncode == 0
    audited = stack.atlas("audit")
    assert audited.returncode == 0, audited.stdout + audited.stderr


def test_every_panels_query_returns_data_from_the_running_stack(world: World) -> None:
    """Twice within `[1h]` is enough for a rate, so a few scrapes are."""
    missing = list(panels())
    assert {board for board, _, _ in missing} == {"Money", "Machine"}

    deadline = time.monotonic() + 120
    while missing and time.monotonic() < deadline:
        missing = [panel for panel in missing if not shows(world.watch, panel[2])]
        time.sleep(0.5)
    assert missing == []


def shows(watch: Prometheus, expression: str) -> bool:
    """Whether the query gives a number: a panel of which every value is NaN shows nothing."""
    return any(row["value"][1] != "NaN" for row in watch.query(expression))


def documented() -> dict[str, tuple[str, set[str]]]:
    """The table of docs/observability.md: fault, its alert, and those that may fire beside it."""
    rows = re.findall(r"^\| ([\w ]+) \| (Atlas\w+) \| (.*) \|$", (WORKSPACE / "docs" / "observability.md").read_text(), re.MULTILINE)
    return {fault: (alert, set(re.findall(r"Atlas[A-Z]\w+", beside))) for fault, alert, beside in rows}


@pytest.mark.timeout(600)
@pytest.mark.slow  # half a minute each: an alert has to fire and to clear
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fires_its_alert_and_none_beyond_its_consequences_and_clears(world: World, fault: str) -> None:
    if fault == "disk full" and not world.small_disk:
        pytest.skip("needs root and the right to mount a small file system")
    alert, beside = documented()[fault]
    quiet(world.watch)
    seen: set[str] = set()

    def fires() -> bool:
        seen.update(world.watch.firing())
        return alert in seen

    with FAULTS[fault](world.stack):
        eventually(fires, FIRES_SECONDS, f"{alert}; seen {seen}")
        seen.update(world.watch.firing())
    quiet(world.watch, seen)
    assert seen <= {alert, *beside}


def quiet(watch: Prometheus, seen: set[str] | None = None) -> None:
    """Wait until nothing has fired for a while; what fires meanwhile is noted in ``seen``."""
    since = time.monotonic()

    def still() -> bool:
        nonlocal since
        firing = watch.firing()
        if seen is not None:
            seen.update(firing)
        since = time.monotonic() if firing else since
        return time.monotonic() - since > QUIET_SECONDS

    eventually(still, CLEARS_SECONDS, "nothing fires any more")


@contextmanager
def broker_on_a_small_disk(stack: Stack) -> Iterator[bool]:
    """Whether the broker's folder is a small file system of its own, in memory."""
    where = stack.home / "data" / "nats"
    where.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={BROKERS_MB}m,mode=0755", "tmpfs", str(where)]
    small = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield small
    finally:
        stack.atlas("down")
        if small:
            subprocess.run(["umount", "--lazy", str(where)], check=True)
