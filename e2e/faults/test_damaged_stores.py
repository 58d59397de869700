"""What the broker's nodes have on their disks is cut, flipped or gone: on one node, on two, on all three."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import psutil
import pytest

from atlas_contracts.streams import BILLING
from atlas_localstack.stack.plan import SERVICES
from support.buyer import Buyer
from support.entitlements import announced, stored
from support.faults.checker import ADMIN_INBOX
from support.faults.cluster import NODES, node_store, nodes_healthy, send
from support.stack import Stack, eventually, running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HEALS_SECONDS = 120.0


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A cluster whose services run once each; no pull by itself."""
    with running_stack({"BILLING_PULL_INTERVAL_SECONDS": "0"}, "--brokers", "3") as running:
        yield running


def truncate(store: Path) -> None:
    """Half of every block of messages is missing."""
    for block in blocks(store):
        with block.open("r+b") as file:
            file.truncate(block.stat().st_size // 2)


def flip(store: Path) -> None:
    """A bit is wrong in the middle of every block of messages."""
    for block in blocks(store):
        with block.open("r+b") as file:
            file.seek(block.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 1]))


def empty(store: Path) -> None:
    """Nothing is left."""
    shutil.rmtree(store)


def blocks(store: Path) -> list[Path]:
    """The files with the messages of our streams."""
    found = [path for path in store.glob("jetstream/*/streams/*/msgs/*.blk") if path.stat().st_size]
    assert found, "no blocks of messages where they are expected"
    return found


def damage(stack: Stack, nodes: Sequence[str], how: Callable[[Path], None]) -> None:
    """All nodes at once: none of them runs between the damage and its end."""
    processes = [psutil.Process(stack.part(node)["pid"]) for node in nodes]
    for process in processes:
        process.suspend()
    for node in nodes:
        how(Path(node_store(stack, node)))
    for process in processes:
        process.kill()
    eventually(lambda: all(stack.part(node)["pid"] not in pids(processes) for node in nodes), 60, "started again")


def pids(processes: Sequence[psutil.Process]) -> set[int | None]:
    return {None, *(process.pid for process in processes)}


def bought(stack: Stack) -> list[Buyer]:
    """Somebody who bought, somebody who got the money back, and somebody to whom an operator gave Pro."""
    keeps, returns, given = Buyer(stack), Buyer(stack), Buyer(stack)
    keeps.buy()
    session = returns.buy()
    returns.refund(session)
    eventually(lambda: returns.entitlement()["status"] == "revoked", what="revoked")
    done = stack.atlas("grant", given.user, "--reason", "damaged stores")
    assert done.returncode == 0, done.stderr
    return [keeps, returns, given]


def verdicts(buyers: Sequence[Buyer]) -> list[str]:
    return [buyer.entitlement()["status"] for buyer in buyers]


@pytest.mark.parametrize("how", [truncate, flip, empty], ids=lambda how: how.__name__)
def test_a_node_with_a_damaged_store_heals_from_the_others(stack: Stack, how: Callable[[Path], None]) -> None:
    buyers = bought(stack)
    asyncio.run(nodes_healthy(stack))
    facts, told = stored(stack.json["nats"]["url"], BILLING.name, ADMIN_INBOX), said(stack)
    damage(stack, ["nats-3"], how)
    asyncio.run(nodes_healthy(stack))
    for leader in NODES:  # whichever node leads afterwards has everything
        send(stack.part(leader)["pid"], 15)
        eventually(lambda: stack.atlas("status").returncode == 0, HEALS_SECONDS, "all nodes again")
        asyncio.run(nodes_healthy(stack))
        assert stored(stack.json["nats"]["url"], BILLING.name, ADMIN_INBOX) == facts
        assert said(stack) == told
    assert verdicts(buyers) == ["active", "revoked", "active"]
    Buyer(stack).buy()
    assert stack.atlas("doctor").returncode == 0
    assert stack.atlas("rebuild", "--verify").returncode == 0


@pytest.mark.parametrize("nodes", [NODES[1:], NODES], ids=["two", "all"])
def test_what_the_broker_alone_had_comes_back_after_the_loss_of_its_stores(stack: Stack, nodes: Sequence[str]) -> None:
    """Stripe's facts by a pull, operators' words and announcements from the databases."""
    buyers = bought(stack)
    before = said(stack)
    late = Buyer(stack)
    session = late.open_checkout()
    httpx.put(f"{stack.url('sandbox')}/_sandbox/delivery", json={"mode": "drop"}).raise_for_status()
    late.pay(session)  # nobody was told when the stores were lost
    damage(stack, nodes, empty)
    httpx.put(f"{stack.url('sandbox')}/_sandbox/delivery", json={"mode": "normal"}).raise_for_status()
    assert verdicts(buyers) == ["active", "revoked", "active"], "reads go on without a broker"
    eventually(lambda: all(stack.part(node)["health"] == "ok" for node in NODES), HEALS_SECONDS, "nodes run")
    restart_services(stack)  # docs/runbook.md: they make what is missing

    assert stack.atlas("pull", "--since", "24h").returncode == 0
    eventually(late.is_pro, what="what only Stripe knew")
    republished = stack.atlas("republish")
    assert republished.returncode == 0, republished.stdout + republished.stderr
    assert newest(before) <= set(said(stack)), "everybody's present state is announced again"
    assert verdicts(buyers) == ["active", "revoked", "active"]
    Buyer(stack).buy()
    fixed = stack.atlas("doctor", "--fix", "--json")
    errors = [finding for finding in json.loads(fixed.stdout) if finding["level"] == "error"]
    assert not errors, errors
    assert stack.atlas("rebuild", "--verify").returncode == 0
    assert json.loads(stack.atlas("parked", "list", "--json").stdout) == []


def said(stack: Stack) -> list[str]:
    """Which changes were announced."""
    return [change for change, _ in announced(stack.json["nats"]["url"], ADMIN_INBOX)]


def newest(changes: Sequence[str]) -> set[str]:
    """Each user's last change; earlier ones are history, which nobody is told twice."""
    last: dict[str, int] = {}
    for change in changes:
        user, _, version = change.rpartition(":")
        last[user] = max(int(version), last.get(user, 0))
    return {f"{user}:{version}" for user, version in last.items()}


def restart_services(stack: Stack) -> None:
    before = {name: stack.part(name)["pid"] for name in SERVICES}
    for pid in before.values():
        send(pid, 15)
    eventually(
        lambda: all(stack.part(name)["pid"] not in (None, pid) for name, pid in before.items())
        and stack.atlas("status").returncode == 0,
        HEALS_SECONDS,
        "services restarted and ready",
    )
