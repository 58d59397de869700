"""More than the stack can take, and the same thing over and over: what breaks first, and whether it heals.

    ATLAS_HOME=… python e2e/load/overload.py [--seconds 20] [--connections 400] [--storm 20000] [--json FILE]

Needs a running stack (``./atlas up --detach``). First a flood of distinct webhooks over many connections at once, none
of which waits for a pause; then a storm of redeliveries of a few events. Meanwhile the memory of every process is
measured. At the end everything that was acknowledged must be in the ledger, and a purchase must go through as ever.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import psycopg

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from webhook_events import event_body, signature

FEW = 20
"""Distinct events of the storm."""
MEASURE_SECONDS = 0.25
BACK_TO_NORMAL_SECONDS = 120.0


class Sender:
    """Sends webhooks and keeps the answers."""

    def __init__(self, stack: dict[str, Any], connections: int) -> None:
        self._url, self._secret = stack["webhook"]["url"], stack["webhook"]["secret"]
        self.connections = connections
        self.answers: Counter[str] = Counter()
        self.milliseconds: list[float] = []
        self.accepted: set[str] = set()
        self.honest = True
        """Each 503 said when to come back."""

    async def send(self, client: aiohttp.ClientSession, number: int) -> None:
        body = event_body(number, "over")
        started = time.perf_counter()
        try:
            headers = {"stripe-signature": signature(body, self._secret)}
            async with client.post(self._url, data=body, headers=headers) as answer:
                await answer.read()
                self.answers[str(answer.status)] += 1
                if answer.status == 200:
                    self.accepted.add(f"evt_over{number:016d}")
                elif answer.status in (429, 503):
                    self.honest &= "retry-after" in answer.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.answers[type(error).__name__] += 1
        self.milliseconds.append((time.perf_counter() - started) * 1000)

    async def send_all(self, numbers: Iterator[int]) -> None:
        """Over all connections at once, each as fast as it is answered."""
        timeout = aiohttp.ClientTimeout(total=30)
        connector = aiohttp.TCPConnector(limit=self.connections)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:

            async def one() -> None:
                for number in numbers:
                    await self.send(client, number)

            await asyncio.gather(*(one() for _ in range(self.connections)))

    def figures(self, seconds: float) -> dict[str, Any]:
        cuts = statistics.quantiles(self.milliseconds, n=100)
        return {
            "sent": sum(self.answers.values()),
            "perSecond": round(sum(self.answers.values()) / seconds),
            "answers": dict(sorted(self.answers.items())),
            "p50ms": round(cuts[49], 1),
            "p99ms": round(cuts[98], 1),
        }


class Memory:
    """The most that each part of the stack held, in MB."""

    def __init__(self, stack: dict[str, Any]) -> None:
        parts = {**stack["services"], "nats": stack["nats"]}
        self._processes = {name: psutil.Process(part["pid"]) for name, part in parts.items()}
        self.before = self._now()
        self.most = dict(self.before)

    def _now(self) -> dict[str, float]:
        return {name: process.memory_info().rss / 1e6 for name, process in self._processes.items()}

    async def watch(self) -> None:
        while True:
            for name, now in self._now().items():
                self.most[name] = max(self.most[name], now)
            await asyncio.sleep(MEASURE_SECONDS)

    def figures(self) -> dict[str, Any]:
        return {name: {"beforeMB": round(self.before[name]), "mostMB": round(most)} for name, most in self.most.items()}


def flood_numbers(seconds: float) -> Iterator[int]:
    """Ever new ones, until the time is up."""
    first, until = int(time.time()) * 1_000_000, time.monotonic() + seconds
    while time.monotonic() < until:
        yield first
        first += 1


def storm_numbers(events: int) -> Iterator[int]:
    """The same few again and again."""
    first = int(time.time()) * 1_000_000
    return (first + count % FEW for count in range(events))


async def overload(stack: dict[str, Any], seconds: float, connections: int, storm: int) -> dict[str, Any]:
    """Flood, then storm; the figures of both, and what they did to the stack."""
    memory = Memory(stack)
    watching = asyncio.create_task(memory.watch())
    flood = Sender(stack, connections)
    flooded = await _timed(lambda: flood.send_all(flood_numbers(seconds)))
    redeliveries = Sender(stack, connections)
    stormed = await _timed(lambda: redeliveries.send_all(storm_numbers(storm)))
    accepted = flood.accepted | redeliveries.accepted
    healing = await _timed(lambda: _all_folded(stack, accepted))
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    calm = Sender(stack, 1)
    await calm.send_all(iter(range(int(time.time()) * 1_000_000, int(time.time()) * 1_000_000 + 50)))
    return {
        "flood": {"connections": connections, "seconds": round(flooded, 1)} | flood.figures(flooded),
        "storm": {"distinct": FEW, "seconds": round(stormed, 1)} | redeliveries.figures(stormed),
        "honest": flood.honest and redeliveries.honest,
        "acknowledged": len(accepted),
        "lost": len(accepted - _in_ledger(stack)),
        "foldedAfterSeconds": round(healing, 1),
        "calmAgain": calm.figures(1) | {"perSecond": None},
        "memory": memory.figures(),
    }


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def _all_folded(stack: dict[str, Any], accepted: set[str]) -> None:
    deadline = time.monotonic() + BACK_TO_NORMAL_SECONDS
    while time.monotonic() < deadline and not accepted <= await asyncio.to_thread(_in_ledger, stack):
        await asyncio.sleep(0.5)


def _in_ledger(stack: dict[str, Any]) -> set[str]:
    with psycopg.connect(stack["postgres"]["databases"]["entitlements"], autocommit=True) as connection:
        found = connection.execute("SELECT provider_event_id FROM ledger WHERE provider_event_id LIKE 'evt_over%'")
        return {row[0] for row in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=400)
    parser.add_argument("--storm", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    stack = json.loads((Path(os.environ.get("ATLAS_HOME", ".atlas")) / "stack.json").read_text())
    figures = asyncio.run(overload(stack, options.seconds, options.connections, options.storm))
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
