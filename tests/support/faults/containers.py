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
        client = docker_client()
        self._containers = {name: client.containers.get(f"{self.stack.project}-{name}-1") for name in PROCESSES}
        self._networks = {name: networks_of(container) for name, container in self._containers.items()}
        self._busy = {name: asyncio.Lock() for name in PROCESSES}

    async def run(self, faults: Sequence[Fault]) -> None:
        """Until the last fault is over."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async with asyncio.TaskGroup() as ending:
            for fault in faults:
                await asyncio.sleep(max(0.0, started + fault.at - clock()))
                ending.create_task(self._suffer(fault))

    async def heal(self) -> None:
        """Everything runs and is connected again."""
        for name in PROCESSES:
            await asyncio.to_thread(self._mend, name)

    async def _suffer(self, fault: Fault) -> None:
        async with self._busy[fault.target]:
            try:
                await asyncio.to_thread(self._break, fault)
            except DockerException as problem:
                # The kernel's old freezer gives up where the machine is very busy; the container just goes on.
                if "unable to freeze" not in str(problem):
                    raise
                self.happened["not paused"] += 1
                return
            await asyncio.sleep(fault.seconds)
            await asyncio.to_thread(self._mend, fault.target)
            self.happened[fault.kind] += 1

    def _break(self, fault: Fault) -> None:
        container = self._containers[fault.target]
        match fault.kind:
            case "kill":
                container.kill()
            case "stop":
                container.stop(timeout=STOP_SECONDS)
            case "pause":
                container.pause()
            case "disconnect":
                for network in self._networks[fault.target]:
                    network.disconnect(container)

    def _mend(self, name: str) -> None:
        container = self._containers[name]
        connected = {network.name for network in networks_of(container)}
        if container.status == "paused":
            container.unpause()
        for network in self._networks[name]:
            if network.name not in connected:
                network.connect(container, aliases=[name])
        container.start()  # harmless where it runs


def networks_of(container: Container) -> list[Network]:
    """Which it is connected to now."""
    container.reload()
    return [docker_client().networks.get(name) for name in container.attrs["NetworkSettings"]["Networks"]]


def moved_elsewhere(stack: ComposeStack, name: str) -> None:
    """Cut off, and connected again under another address: somebody else has the old one."""
    container = docker_client().containers.get(f"{stack.project}-{name}-1")
    networks = networks_of(container)
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
