"""What goes wrong when: drawn from a seed before anything runs, so that the seed replays it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psutil
import psycopg

from atlas_localstack.stack.plan import OFFSETS
from support.faults import squeeze
from support.faults.wiring import LINKS, Wired

SERVICES = ("account-gateway", "webhook-ingest", "checkout", "entitlements")
SERVERS = ("nats", "postgres")
PROCESSES = (*SERVICES, *SERVERS)
DATABASES = ("entitlements", "checkout")
DOORS = ("account-gateway", "webhook-ingest")
LINK_FAULTS = ("latency", "refuse", "reset_all", "stall", "swallow", "half_close", "cut_after")
TARGETS: dict[str, Sequence[str]] = {
    **dict.fromkeys(("pause", "restart"), PROCESSES),
    **dict.fromkeys(LINK_FAULTS, tuple(LINKS)),
    "api": ("sandbox",),
    "clock": SERVICES,
    "no_connections_left": DATABASES,
    "rows_locked": DATABASES,
    "crowd": DOORS,
}
"""What may happen beside kills, and to whom."""
OFTEN = ("pause", "clock")
"""Drawn twice as often as the others."""
CLOCK_JUMPS_SECONDS = (-3600, -600, -45, -5, 5, 45, 600, 3600)
BETWEEN_FAULTS_SECONDS = (0.2, 1.1)
LONGEST_SECONDS = 6.0
"""Longer than the broker is given to confirm (5 s): some faults outlast it."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong: ``kind`` happens to ``target`` at ``at`` seconds, for ``seconds`` (0: a moment)."""

    at: float
    kind: str
    target: str
    seconds: float = 0.0
    amount: int = 0
    """Milliseconds of latency, bytes before the cut, calls that fail, or seconds by which a clock is moved."""

    def __str__(self) -> str:
        amount, lasting = f" {self.amount}" if self.amount else "", f" for {self.seconds} s" if self.seconds else ""
        return f"{self.at:5.1f} s  {self.kind} {self.target}{amount}{lasting}"


def draw(seed: str, others: int) -> list[Fault]:
    """Every process is killed once, and ``others`` more faults of all kinds happen; in random order."""
    chance = Random(f"{seed}:faults")
    deck = [("kill", name) for name in PROCESSES]
    for _ in range(others):
        kind = chance.choice((*TARGETS, *OFTEN))
        deck.append((kind, chance.choice(TARGETS[kind])))
    chance.shuffle(deck)
    at, faults = 0.5, []
    for kind, target in deck:
        faults.append(Fault(round(at, 2), kind, target, _seconds(chance, kind), _amount(chance, kind)))
        at += chance.uniform(*BETWEEN_FAULTS_SECONDS)
    return faults


def _seconds(chance: Random, kind: str) -> float:
    if kind in ("kill", "restart", "reset_all", "half_close", "api"):
        return 0.0
    return round(min(0.3 + chance.expovariate(0.6), LONGEST_SECONDS), 2)


def _amount(chance: Random, kind: str) -> int:
    return {
        "latency": chance.choice((20, 100, 400, 1_500)),
        "cut_after": chance.choice((0, 1, 40, 300, 2_000)),
        "api": chance.choice((1, 3, 8)),
        "clock": chance.choice(CLOCK_JUMPS_SECONDS),
    }.get(kind, 0)


@dataclass
class Havoc:
    """Lets a schedule happen to a stack."""

    wired: Wired
    sandbox: Any
    """Calls the sandbox's control surface."""
    chance: Random
    happened: Counter[str] = field(default_factory=Counter)
    _paused: list[int] = field(default_factory=list)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, faults: Sequence[Fault]) -> None:
        """Until the last fault is over."""
        clock = asyncio.get_running_loop().time
        started = clock()
        for fault in faults:
            await asyncio.sleep(max(0.0, started + fault.at - clock()))
            await self._begin(fault)
        await asyncio.gather(*self._ending)

    async def heal(self) -> None:
        """Everything runs, connects and travels again."""
        for task in self._ending:
            task.cancel()
        for pid in self._paused:
            _signal(pid, signal.SIGCONT)
        await asyncio.gather(*self._ending, return_exceptions=True)
        self.wired.proxies.heal()
        self.wired.heal_clocks()
        await self.sandbox("PUT", "/api", {})

    async def _begin(self, fault: Fault) -> None:
        match fault.kind:
            case "kill" | "restart" | "pause":
                if not await self._to_process(fault):
                    return
            case "api":
                status = self.chance.choice((500, 503, 429))
                await self.sandbox("PUT", "/api", {
                    "fail_next": fault.amount, "status": status, "after_effect": self.chance.random() < 0.5,
                })  # fmt: skip
            case "clock":
                self.wired.move_clock(fault.target, fault.amount)
                self._later(fault.seconds, self.wired.move_clock, fault.target, 0.0)
            case "no_connections_left" | "rows_locked" | "crowd":
                self._ending.add(asyncio.create_task(self._squeeze(fault)))
                return
            case "latency":
                self.wired.proxies.set(fault.target, "latency", fault.amount / 1000)
            case "cut_after":
                self.wired.proxies.set(fault.target, "cut_after", fault.amount)
            case _:
                self.wired.proxies.call(fault.target, fault.kind)
        self.happened[fault.kind] += 1
        if fault.seconds and fault.kind in LINK_FAULTS:
            self._later(fault.seconds, self.wired.proxies.call, fault.target, "heal")

    async def _squeeze(self, fault: Fault) -> None:
        """Counted once it has taken hold: the server may just be away."""
        with contextlib.suppress(psycopg.Error, OSError):
            async with self._squeezed(fault):
                self.happened[fault.kind] += 1
                await asyncio.sleep(fault.seconds)

    def _squeezed(self, fault: Fault) -> AbstractAsyncContextManager[Any]:
        if fault.kind == "crowd":
            return squeeze.crowd(self.wired.stack.port_base + OFFSETS[fault.target])
        dsn = self.wired.stack.json["postgres"]["databases"][fault.target]
        if fault.kind == "rows_locked":
            return squeeze.rows_locked(dsn, fault.target)
        return squeeze.no_connections_left(dsn)

    async def _to_process(self, fault: Fault) -> bool:
        pid = await self._pid(fault.target)
        if pid is None:
            return False
        if fault.kind == "kill":
            return _signal(pid, signal.SIGKILL)
        if fault.kind == "restart":
            # SIGINT is Postgres's fast shutdown; a paused process hears nothing else than SIGKILL until it goes on.
            _signal(pid, signal.SIGCONT)
            return _signal(pid, signal.SIGINT if fault.target == "postgres" else signal.SIGTERM)
        pids = [pid, *_children(pid)]
        self._paused += pids
        for each in pids:
            _signal(each, signal.SIGSTOP)
        self._later(fault.seconds, lambda: [_signal(each, signal.SIGCONT) for each in pids])
        return True

    async def _pid(self, name: str, seconds: float = 3.0) -> int | None:
        """The process's id; it may just be starting again."""
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(TypeError, KeyError, ValueError, OSError):
                if psutil.pid_exists(pid := self.wired.stack.pid(name)):
                    return pid
            await asyncio.sleep(0.05)
        return None

    def _later(self, seconds: float, act: Any, *arguments: Any) -> None:
        async def wait() -> None:
            await asyncio.sleep(seconds)
            act(*arguments)

        task = asyncio.create_task(wait())
        self._ending.add(task)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
