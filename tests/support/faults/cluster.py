"""A stack of more than one machine's parts, and what goes wrong with them: nodes, replicas and databases one by one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import aiohttp
import psutil

from atlas_localstack.servers.ports import LOOPBACK
from atlas_localstack.stack.plan import SERVICES
from atlas_localstack.stack.topology import Topology, all_of, number_of
from support.faults.schedule import Fault
from support.faults.wiring import Wired
from support.stack import Stack, eventually

SHAPE = Topology(brokers=3, replicas=2, standby=True)
NODES, DATABASES = all_of("nats", SHAPE.brokers), all_of("postgres", 2)
REPLICAS = [name for service in SERVICES for name in all_of(service, SHAPE.replicas)]
OF_BROKER = ("webhook-ingest", "checkout", "entitlements", "account-gateway")
CLUSTER_LINKS = {
    **{f"{service}→{node}": (service, node) for service in OF_BROKER for node in NODES},
    **{f"{service}→{server}": (service, server) for service in ("checkout", "entitlements") for server in DATABASES},
}
"""Each service's connections to each node of the broker and to each database server."""
BETWEEN_NODES = {f"{node}→{other}": (node, other) for node in NODES for other in NODES if other != node}
"""The nodes' own connections to each other. Only where a node is isolated: each message would go through two proxies."""
KINDS = {
    "kill": (*NODES, *REPLICAS, "primary", "standby"),
    "pause": (*NODES, *REPLICAS, "primary", "standby"),
    "cut_off": (*NODES, *DATABASES),
    "wipe": NODES,
    "promote": ("standby",),
    "kill_and_promote": ("primary",),
    "pause_and_promote": ("primary",),
    "roll": ("services",),
}
"""What may happen, and to whom."""
ALWAYS = (("kill_and_promote", "primary"), ("roll", "services"), ("kill", "nats"), ("wipe", "nats-3"), ("pause", "nats-2"))
"""Happens in every schedule."""
ISOLATED = tuple(("isolate", node) for node in NODES)
"""A node that services reach, and that doesn't reach the others. Not drawn: schedules of known seeds stay as they are."""
ISOLATED_SECONDS = 12.0
"""Longer than a node takes to see that it has no majority any more."""
BETWEEN_SECONDS = (0.3, 1.5)
LONGEST_SECONDS = 6.0
HEALTHY_SECONDS = 90.0


def draw_for_cluster(seed: str, others: int, also: Sequence[tuple[str, str]] = ()) -> list[Fault]:
    """The faults of :data:`ALWAYS`, of ``also``, and ``others`` more, in random order."""
    chance = Random(f"{seed}:cluster")
    deck = [*ALWAYS, *also]
    for _ in range(others):
        kind = chance.choice(list(KINDS))
        deck.append((kind, chance.choice(KINDS[kind])))
    chance.shuffle(deck)
    at, faults = 0.5, []
    for kind, target in deck:
        lasts = kind in ("pause", "cut_off")
        seconds = round(min(0.3 + chance.expovariate(0.6), LONGEST_SECONDS), 2) if lasts else 0.0
        seconds = ISOLATED_SECONDS if kind == "isolate" else seconds
        faults.append(Fault(round(at, 2), kind, target, seconds))
        at += chance.uniform(*BETWEEN_SECONDS)
    return faults


@dataclass
class ClusterHavoc:
    """Lets a schedule happen. What touches the broker's nodes waits for a node that was wiped to have caught up: two
    empty nodes of three are more than three copies are meant to bear.
    """

    wired: Wired
    hurried: bool = False
    """Rolls all services at once, each one's replicas one after the other: eight in a row are most of a short storm."""
    happened: Counter[str] = field(default_factory=Counter)
    took: dict[str, float] = field(default_factory=dict)
    """Seconds from a fault's beginning until what it broke is back, summed by kind; they overlap."""
    refused: int = 0
    """Promotions of a standby that had not caught up."""
    _paused: list[int] = field(default_factory=list)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)
    _broker: asyncio.Lock = field(default_factory=asyncio.Lock)
    _databases: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def stack(self) -> Stack:
        return self.wired.stack

    async def run(self, faults: Sequence[Fault]) -> None:
        """Until the last fault is over."""
        clock = asyncio.get_running_loop().time
        started = clock()
        for fault in faults:
            await asyncio.sleep(max(0.0, started + fault.at - clock()))
            self._ending.add(asyncio.create_task(self._begin(fault)))
        await asyncio.gather(*self._ending)

    async def heal(self) -> None:
        """Everything runs and connects again."""
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
        for pid in self._paused:
            send(pid, signal.SIGCONT)
        self.wired.proxies.heal()

    async def _begin(self, fault: Fault) -> None:
        if fault.target in NODES:
            async with self._broker:
                await self._happens(fault)
        elif fault.kind.endswith("promote"):
            async with self._databases:
                await self._happens(fault)
        else:
            await self._happens(fault)
        self.happened[fault.kind] += 1

    async def _happens(self, fault: Fault) -> None:
        began = time.monotonic()
        await self._do(fault)
        self.took[fault.kind] = round(self.took.get(fault.kind, 0.0) + time.monotonic() - began, 1)

    async def _do(self, fault: Fault) -> None:
        match fault.kind:
            case "kill":
                send(self._pid(fault.target), signal.SIGKILL)
            case "pause":
                await self._pause(fault.target, fault.seconds)
            case "cut_off":
                # From every service; nodes and databases still have each other.
                await self._cut([name for name, (_, asked) in CLUSTER_LINKS.items() if asked == fault.target], fault.seconds)
            case "isolate":
                await self._cut(links_to_others(fault.target), fault.seconds)
            case "wipe":
                await nodes_healthy(self.stack)
                await asyncio.to_thread(wipe_node, self.stack, fault.target)
                await nodes_healthy(self.stack)
            case "roll":
                await (roll_services_at_once(self.stack) if self.hurried else roll(self.stack))
            case "kill_and_promote":
                send(self._pid("primary"), signal.SIGKILL)
                await self._promote()
            case "pause_and_promote":
                pausing = asyncio.create_task(self._pause("primary", LONGEST_SECONDS))
                await self._promote()
                await pausing
            case "promote":
                await self._promote()

    async def _promote(self) -> None:
        done = await asyncio.to_thread(self.stack.atlas, "promote")
        self.refused += done.returncode != 0
        assert done.returncode in (0, 1), done.stderr

    async def _pause(self, target: str, seconds: float) -> None:
        pids = with_children(self._pid(target))
        self._paused += pids
        for pid in pids:
            send(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            for pid in pids:
                send(pid, signal.SIGCONT)

    async def _cut(self, links: Sequence[str], seconds: float) -> None:
        for link in links:
            self.wired.proxies.call(link, "swallow")
        try:
            await asyncio.sleep(seconds)
        finally:
            for link in links:
                self.wired.proxies.call(link, "heal")

    def _pid(self, target: str) -> int | None:
        with contextlib.suppress(KeyError, TypeError, ValueError, OSError):
            if target == "primary":
                return self.stack.pid("postgres")
            if target == "standby":
                return int(self.stack.json["postgres"]["standby"]["pid"])
            return int(self.stack.part(target)["pid"])
        return None


def links_to_others(node: str) -> list[str]:
    """Both ways: whoever of two nodes has connected, they speak over one connection."""
    return [name for name, ends in BETWEEN_NODES.items() if node in ends]


def send(pid: int | None, number: signal.Signals) -> None:
    """Send a signal to a process, unless it has gone already."""
    with contextlib.suppress(ProcessLookupError):
        if pid:
            os.kill(pid, number)


def with_children(pid: int | None) -> list[int]:
    """A process and everything below it."""
    with contextlib.suppress(psutil.Error):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))] if pid else []
    return []


def node_store(stack: Stack, node: str) -> str:
    """Where a node keeps its streams."""
    return str(stack.home / "data" / f"nats-node-{number_of(node)}")


def wipe_node(stack: Stack, node: str) -> None:
    """Kill a node and take everything away that it has stored."""
    before = stack.part(node)["pid"]
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(before)
        process.suspend()  # it must not write while its folder goes
        shutil.rmtree(node_store(stack, node), ignore_errors=True)
        process.kill()


async def nodes_healthy(stack: Stack, nodes: Sequence[str] = NODES) -> None:
    """Every node has all streams, and has caught up with their leaders."""
    ports = {"nats": "nats_monitor"} | {f"nats-{number}": f"nats_monitor-{number}" for number in (2, 3)}
    monitors = [stack.ports[ports[node]] for node in nodes]
    deadline = asyncio.get_running_loop().time() + HEALTHY_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as http:
        while not all([await _is_healthy(http, port) for port in monitors]):
            assert asyncio.get_running_loop().time() < deadline, "the broker's nodes did not become healthy"
            await asyncio.sleep(0.2)


async def calm(stack: Stack) -> None:
    """Every process runs and is healthy, and every node has caught up."""
    await asyncio.to_thread(eventually, lambda: stack.atlas("status").returncode == 0, HEALTHY_SECONDS, "all healthy")
    await nodes_healthy(stack)


async def _is_healthy(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://{LOOPBACK}:{port}/healthz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


async def roll(stack: Stack, replicas: Sequence[str] = tuple(REPLICAS)) -> None:
    """Stop one replica after the other in order, each when the one before it is ready again."""
    for name in replicas:
        before = stack.part(name)["pid"]
        send(before, signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + HEALTHY_SECONDS
        while (part := stack.part(name))["health"] != "ok" or part["pid"] == before:
            assert asyncio.get_running_loop().time() < deadline, f"{name} did not come back: {part}"
            await asyncio.sleep(0.1)


async def roll_services_at_once(stack: Stack) -> None:
    """No service is ever without a replica, and each may be the one that has just lost its connections."""
    await asyncio.gather(*(roll(stack, all_of(service, SHAPE.replicas)) for service in SERVICES))
