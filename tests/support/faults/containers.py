"""Containers that are killed, stopped, paused and cut off, by the `docker` SDK and a schedule drawn from a seed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from docker.errors import DockerException
from docker.models.containers import Container
from docker.models.networks import Network
from support.compose import ComposeStack, docker_client
from support.faults.schedule import PROCESSES, Fault

KINDS = ("kill", "stop", "pause", "disconnect")
BETWEEN_FAULTS_SECONDS = (0.4, 1.2)
LONGEST_SECONDS = 6.0
"""Longer than the broker is given to confirm (5 s): some faults outlast it."""
STOP_SECONDS = 15


def draw(seed: str, rounds: int) -> list[Fault]:
    """In each round everything happens to every container once; in random order."""
    chance = Random(f"{seed}:containers")
    at, faults = 0.5, []
    for _ in range(rounds):
        deck = [(kind, name) for kind in KINDS for name in PROCESSES]
        chance.shuffle(deck)
        for kind, name in deck:
            seconds = round(min(0.3 + chance.expovariate(0.6), LONGEST_SECONDS), 2)
            faults.append(Fault(round(at, 2), kind, name, seconds))
            at += chance.uniform(*BETWEEN_FAULTS_SECONDS)
    return faults


@dataclass
class Havoc:
    """Lets a schedule happen to a Compose project. What happens to one container happens one after the other."""

    stack: ComposeStack
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._containers = {name: docker_client().containers.get(f"{self.stack.project}-{name}-1") for name in PROCESSES}
        self._busy = {name: asyncio.Lock() for name in PROCESSES}

    async def run(self, faults: Sequence[Fault]) -> None:
        """Until the last fault is over: then everything runs and is connected."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async with asyncio.TaskGroup() as ending:
            for fault in faults:
                await asyncio.sleep(max(0.0, started + fault.at - clock()))
                ending.create_task(self._suffer(fault))

    async def _suffer(self, fault: Fault) -> None:
        async with self._busy[fault.target]:
            container = self._containers[fault.target]
            try:
                await self._happens(fault, container)
            except DockerException as problem:
                said = await asyncio.to_thread(container.logs, tail=15)
                raise AssertionError(f"{fault}: {problem}\n{said.decode()}") from problem
            self.happened[fault.kind] += 1

    async def _happens(self, fault: Fault, container: Container) -> None:
        match fault.kind:
            case "kill":
                await asyncio.to_thread(container.kill)
                await asyncio.sleep(fault.seconds)
                await asyncio.to_thread(container.start)
            case "stop":
                await asyncio.to_thread(container.stop, timeout=STOP_SECONDS)
                await asyncio.sleep(fault.seconds)
                await asyncio.to_thread(container.start)
            case "pause":
                await asyncio.to_thread(container.pause)
                await asyncio.sleep(fault.seconds)
                await asyncio.to_thread(container.unpause)
            case "disconnect":
                networks = await asyncio.to_thread(_networks, container)
                for network in networks:
                    await asyncio.to_thread(network.disconnect, container)
                await asyncio.sleep(fault.seconds)
                for network in networks:
                    await asyncio.to_thread(network.connect, container, aliases=[fault.target])


def _networks(container: Container) -> list[Network]:
    container.reload()
    return [docker_client().networks.get(name) for name in container.attrs["NetworkSettings"]["Networks"]]


def moved_elsewhere(stack: ComposeStack, name: str) -> None:
    """Cut off, and connected again under another address: somebody else has the old one."""
    container = docker_client().containers.get(f"{stack.project}-{name}-1")
    networks = _networks(container)
    before = container.attrs["NetworkSettings"]["Networks"]
    for network in networks:
        network.disconnect(container)
    squatter = docker_client().containers.run("postgres:17", ["sleep", "120"], network=networks[0].name, detach=True)
    try:
        for network in networks:
            network.connect(container, aliases=[name])
        container.reload()
        after = container.attrs["NetworkSettings"]["Networks"]
        assert all(before[network.name]["IPAddress"] != after[network.name]["IPAddress"] for network in networks)
    finally:
        squatter.remove(force=True)
