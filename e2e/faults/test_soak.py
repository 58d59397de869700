"""A steady day, compressed: afterwards each service holds what it held after warming up, and not more.

``ATLAS_SOAK_SECONDS=3600`` for the long run, ``ATLAS_SOAK_PAUSE=0.2`` for a slower pace beside other work.
Figures: ``test-results/soak.json``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import httpx
import psutil
import pytest

from account_gateway.session.mint import mint_token
from atlas_localstack.servers.ports import LOOPBACK
from support.faults import checker
from support.faults.schedule import DATABASES, SERVICES
from support.stack import WORKSPACE, Stack, running_stack

sys.path[:0] = [str(WORKSPACE / "e2e" / "load")]

from webhook_events import event_body, signature

SECONDS = float(os.environ.get("ATLAS_SOAK_SECONDS", "8"))
WARM_UP_SECONDS = max(5.0, SECONDS / 10)
READERS, STREAMERS, SENDERS, BUYERS = 3, 3, 2, 2
PAUSE_SECONDS = float(os.environ.get("ATLAS_SOAK_PAUSE", "0.02"))
"""Between two requests of one client: steady, not as fast as can be."""
SAMPLE_SECONDS = 0.5
SETTLED_SECONDS = 45.0
"""Kept-alive connections between the services are closed after at most 30 s of rest."""
SPARE = {"descriptors": 8, "threads": 4, "postgres": 3, "subscriptions": 2, "connections": 0}
"""How much more than after warming up is no leak: a pool that was not at its largest yet."""
GROWTH_MB, GROWTH_MB_PER_HOUR = 12.0, 30.0
"""What is bounded fills up within the first hour: tokens (10,000), a window of the pull (some 10 MB)."""
LIMITS = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}


@dataclass(frozen=True)
class Held:
    """What the services hold at rest, by service (or database)."""

    descriptors: dict[str, int]
    threads: dict[str, int]
    postgres: dict[str, int]
    subscriptions: dict[str, int]
    connections: dict[str, int]
    """To the broker."""

    def more_than(self, former: Held) -> list[str]:
        """What has grown beyond :data:`SPARE`."""
        return [
            f"{kind} of {name}: {before} → {now}"
            for kind, counts in asdict(self).items()
            for name, now in counts.items()
            if now > (before := getattr(former, kind).get(name, 0)) + SPARE[kind]
        ]


@pytest.mark.timeout(SECONDS * 1.3 + 300)
def test_after_a_steady_day_everything_held_is_what_was_held_after_warming_up() -> None:
    with running_stack(LIMITS | {"BILLING_PULL_INTERVAL_SECONDS": "2"}) as stack:
        figures = asyncio.run(_soak(stack))
        stack.down()
    print(json.dumps(figures))
    (WORKSPACE / "test-results").mkdir(exist_ok=True)
    (WORKSPACE / "test-results" / "soak.json").write_text(json.dumps(figures, indent=2) + "\n")
    assert min(figures["done"].values()) > 0, figures["done"]
    assert figures["leaked"] == []
    allowed = GROWTH_MB + GROWTH_MB_PER_HOUR * SECONDS / 3600
    assert max(figures["growthMB"].values()) < allowed, figures["growthMB"]
    assert figures["rebuiltTheSame"]


async def _soak(stack: Stack) -> dict[str, Any]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        day = Day(stack, http)
        await day.live(WARM_UP_SECONDS)
        await checker.folded(stack)
        before = await asyncio.to_thread(held, stack)
        day.done.clear()
        samples: list[dict[str, float]] = []
        async with asyncio.TaskGroup() as both:
            living = both.create_task(day.live(SECONDS))
            while not living.done():
                samples.append(megabytes(stack))
                await asyncio.sleep(SAMPLE_SECONDS)
        await checker.folded(stack)
        leaked, after = await _settled(stack, before)
    rebuilt = await asyncio.to_thread(stack.atlas, "rebuild", "--verify")
    return {
        "seconds": SECONDS,
        "done": dict(day.done),
        "before": asdict(before),
        "after": asdict(after),
        "leaked": leaked,
        "memoryMB": samples[-1],
        "growthMB": growth(samples),
        "rebuiltTheSame": rebuilt.returncode == 0,
    }


async def _settled(stack: Stack, before: Held) -> tuple[list[str], Held]:
    """What is still held too much after a rest."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while (leaked := (now := await asyncio.to_thread(held, stack)).more_than(before)) and time.monotonic() < deadline:
        await asyncio.sleep(1)
    return leaked, now


class Day:
    """What goes on all the time, at a steady pace."""

    def __init__(self, stack: Stack, http: aiohttp.ClientSession) -> None:
        self._stack, self._http = stack.json, http
        self._gateway = stack.url("account-gateway")
        self._numbers = itertools.count(int(time.time()) * 1_000_000)
        self.done: Counter[str] = Counter()

    async def live(self, seconds: float) -> None:
        """So many clients, one request after the other."""
        end = time.monotonic() + seconds

        async def repeat(name: str, act: Callable[[], Awaitable[None]]) -> None:
            while time.monotonic() < end:
                await act()
                self.done[name] += 1
                await asyncio.sleep(PAUSE_SECONDS)

        kinds = ((READERS, self._read), (STREAMERS, self._stream), (SENDERS, self._webhook), (BUYERS, self._buy))
        async with asyncio.TaskGroup() as clients:
            for number, act in kinds:
                for _ in range(number):
                    clients.create_task(repeat(act.__name__.strip("_"), act))

    async def _read(self) -> None:
        await self._ask("GET", "/api/pro/entitlement", f"reader-{next(self._numbers) % 50}")

    async def _stream(self) -> None:
        """A page is opened, hears its first word and is closed without a goodbye."""
        url = f"{self._gateway}/api/pro/entitlement/stream"
        async with self._http.get(url, headers=self._as(f"reader-{next(self._numbers) % 50}")) as answer:
            while not (await answer.content.readline()).startswith(b"event: entitlement"):
                assert not answer.content.at_eof()
            answer.close()

    async def _webhook(self) -> None:
        """One that counts, and one that nobody signed."""
        body, webhook = event_body(next(self._numbers), ""), self._stack["webhook"]
        for secret, status in ((webhook["secret"], 200), ("whsec_other", 403)):
            headers = {"stripe-signature": signature(body, secret)}
            async with self._http.post(webhook["url"], data=body, headers=headers) as answer:
                assert answer.status == status, await answer.text()

    async def _buy(self) -> None:
        user = f"buyer-{next(self._numbers)}"
        opened = await self._ask("POST", "/api/billing/stripe/checkout", user, {"source": "hero"})
        session = next(part for part in opened["url"].replace("?", "/").split("/") if part.startswith("cs_"))
        pay = f"{self._stack['sandbox']['url']}/_sandbox/checkout/{session}/pay"
        async with self._http.post(pay, json={"outcome": "paid"}) as answer:
            assert answer.status == 200, await answer.text()
        await self._ask("POST", "/api/billing/stripe/confirm", user, {"checkoutSessionId": session})
        await self._ask("POST", "/api/pro/restore", user, {"trigger": "account"})

    async def _ask(self, method: str, path: str, user: str, body: dict[str, str] | None = None) -> Any:
        async with self._http.request(method, self._gateway + path, json=body, headers=self._as(user)) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["data"]

    def _as(self, user: str) -> dict[str, str]:
        auth = self._stack["auth"]
        return {"cookie": f"{auth['cookie']}={mint_token(user, auth['nextauth_secret'])}", "origin": self._gateway}


def held(stack: Stack) -> Held:
    """Counted from outside."""
    parts = {name: psutil.Process(stack.pid(name)) for name in SERVICES}
    dsns = stack.json["postgres"]["databases"]
    mine = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND application_name LIKE %s"
    monitor = json.loads((stack.home / "ports.json").read_text())["nats_monitor"]
    known = httpx.get(f"http://{LOOPBACK}:{monitor}/connz").json()["connections"]
    return Held(
        {name: part.num_fds() for name, part in parts.items()},
        {name: part.num_threads() for name, part in parts.items()},
        {name: checker.query(dsns[name], mine, "atlas-%")[0][0] for name in DATABASES},
        {name: sum(each["subscriptions"] for each in known if each.get("name") == name) for name in SERVICES},
        {name: sum(each.get("name") == name for each in known) for name in SERVICES},
    )


def megabytes(stack: Stack) -> dict[str, float]:
    return {name: psutil.Process(stack.pid(name)).memory_info().rss / 1e6 for name in SERVICES}


def growth(samples: list[dict[str, float]]) -> dict[str, float]:
    """From the first quarter's median to the last one's: a peak is no leak."""
    quarter = max(1, len(samples) // 4)

    def median(some: list[dict[str, float]], name: str) -> float:
        return statistics.median(sample[name] for sample in some)

    return {name: round(median(samples[-quarter:], name) - median(samples[:quarter], name), 2) for name in SERVICES}
