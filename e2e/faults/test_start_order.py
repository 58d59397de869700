"""Services that start while broker and database are away: alive, not ready, quiet, idle; then ready by themselves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from support.buyer import Buyer
from support.faults.schedule import SERVICES
from support.faults.wiring import LINKS, Wired, wired_stack
from support.stack import eventually

ABSENT_SECONDS = 60.0 if int(os.environ.get("ATLAS_SEEDS", "1")) > 1 else 6.0
LINES_PER_SECOND = 4.0
"""What may be logged while waiting; a loop without a pause writes thousands."""
BUSY = 0.25
"""Part of a core that waiting may take."""
NEEDS = {
    "account-gateway": set(),  # without the broker its live updates poll
    "webhook-ingest": {"nats"},
    "checkout": {"nats", "postgres"},
    "entitlements": {"nats", "postgres"},
}


@pytest.fixture(scope="module")
def wired() -> Iterator[Wired]:
    with wired_stack() as one:
        yield one


@pytest.mark.parametrize("order", [("nats", "postgres"), ("postgres", "nats")], ids=" first, then ".join)
def test_services_that_start_before_their_servers_wait_quietly_and_become_ready(
    wired: Wired, order: tuple[str, str]
) -> None:
    stack = wired.stack
    for server in order:
        turn(wired, server, "refuse")
    former = {name: stack.pid(name) for name in SERVICES}
    for pid in former.values():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: all(health(wired, name, "/healthz").get("status") == 200 for name in SERVICES), 60, "all alive")

    pids = {name: stack.pid(name) for name in SERVICES}
    lines, busy, since = written(wired), {name: cpu(pid) for name, pid in pids.items()}, time.monotonic()
    while time.monotonic() - since < ABSENT_SECONDS:
        for name in SERVICES:
            assert health(wired, name, "/healthz")["status"] == 200
        for name in ("webhook-ingest", "checkout", "entitlements"):
            assert health(wired, name, "/readyz")["status"] == 503, f"{name} has nobody to talk to"
        time.sleep(0.5)
    seconds = time.monotonic() - since
    assert pids == {name: stack.pid(name) for name in SERVICES}, "nobody gave up"
    rates = {name: (count - lines[name]) / seconds for name, count in written(wired).items()}
    assert max(rates.values()) <= LINES_PER_SECOND, f"log lines per second: {rates}"
    shares = {name: (cpu(pid) - busy[name]) / seconds for name, pid in pids.items()}
    assert max(shares.values()) <= BUSY, f"part of a core: {shares}"
    print(f"\nwhile absent: log lines per second {rates}, part of a core {shares}")

    turn(wired, order[0], "heal")
    for name in SERVICES:
        wanted = 200 if NEEDS[name] <= {order[0]} else 503
        eventually(lambda n=name, w=wanted: health(wired, n, "/readyz").get("status") == w, 30, f"{name}: {wanted}")
    turn(wired, order[1], "heal")
    for name in SERVICES:
        eventually(lambda n=name: health(wired, n, "/readyz").get("status") == 200, 30, f"{name} ready")
    Buyer(stack).buy()


def turn(wired: Wired, server: str, method: str) -> None:
    """What leads to a server refuses, or is healed."""
    for name, (_, asked) in LINKS.items():
        if asked == server:
            wired.proxies.call(name, method)


def health(wired: Wired, name: str, path: str) -> dict[str, Any]:
    try:
        return {"status": httpx.get(wired.stack.url(name) + path, timeout=10).status_code}
    except (httpx.TransportError, OSError):
        return {}


def written(wired: Wired) -> dict[str, int]:
    """Log lines so far."""
    logs = {name: wired.stack.home / "logs" / f"{name}.log" for name in SERVICES}
    return {name: log.read_bytes().count(b"\n") for name, log in logs.items()}


def cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
