"""256 users read at once through a real gateway and a real entitlements service that is killed, paused and replaced."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from account_gateway.session.mint import mint_token
from support.entitlements import Service, publish, running
from support.facts import Purchase
from support.gateway import COOKIE, SESSION_SECRET, running_gateway

USERS = 256
PATH = "/api/pro/entitlement"
pytestmark = pytest.mark.anyio


@pytest.fixture
def service(nats_url: str, postgres_dsn: str) -> Iterator[Service]:
    with running(nats_url, postgres_dsn) as started:
        publish(nats_url, facts := [Purchase(f"crowd-{number}").paid(at=number) for number in range(0, USERS, 2)])
        assert started.applied(facts)
        yield started


@pytest.fixture
def gateway(service: Service) -> Iterator[str]:
    with running_gateway(ENTITLEMENTS_URL=service.url) as client:
        yield str(client.base_url)


def expected(number: int) -> tuple[bool, str | None]:
    """Each Pro user's start is another second, so that nobody's answer is like another's."""
    return number % 2 == 0, f"2026-03-01T12:{number // 60:02}:{number % 60:02}Z" if number % 2 == 0 else None


class Crowd:
    """Users who read again and again; some don't wait for their answers."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._headers = [{"cookie": f"{COOKIE}={mint_token(f'crowd-{n}', SESSION_SECRET)}"} for n in range(USERS)]
        self._chance = random.Random(11)
        self.seen: Counter[Any] = Counter()
        self.over = asyncio.Event()

    async def one(self, client: aiohttp.ClientSession, number: int) -> None:
        while not self.over.is_set():
            impatient = self._chance.random() < 0.2
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._chance.random() * 0.05 if impatient else 30):
                    await self._read(client, number)

    async def _read(self, client: aiohttp.ClientSession, number: int) -> None:
        async with client.get(self._gateway + PATH, headers=self._headers[number]) as answer:
            told = await answer.json()
            if answer.status == 200:
                assert (told["data"]["isPro"], told["data"]["restoredAt"]) == expected(number), "another's answer"
            else:
                assert (answer.status, told["error"]["recovery"]) == (503, "retry_later"), told
            self.seen[answer.status] += 1

    async def until(self, status: int, more: int) -> None:
        """So many more answers of this status."""
        before = self.seen[status]
        async with asyncio.timeout(180):
            while self.seen[status] < before + more:
                await asyncio.sleep(0.01)


async def test_a_crowd_hears_only_what_is_their_own_while_the_service_dies_hangs_and_comes_back(service: Service, gateway: str) -> None:
    crowd = Crowd(gateway)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        readers = [asyncio.create_task(crowd.one(client, number)) for number in range(USERS)]
        await crowd.until(200, USERS)
        service.kill()
        await crowd.until(503, USERS)
        await asyncio.to_thread(service.start)
        await crowd.until(200, USERS)
        assert service.process
        service.process.send_signal(signal.SIGSTOP)
        await crowd.until(503, 1)
        service.process.send_signal(signal.SIGCONT)
        await crowd.until(200, USERS)
        crowd.over.set()
        await asyncio.gather(*readers)


async def test_a_read_that_begins_after_a_fold_sees_it(service: Service, gateway: str, nats_url: str) -> None:
    crowd = Crowd(gateway)
    buyer = {"cookie": f"{COOKIE}={mint_token('ada', SESSION_SECRET)}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

        async def pro() -> bool:
            async with client.get(gateway + PATH, headers=buyer) as answer:
                return bool((await answer.json())["data"]["isPro"])

        readers = [asyncio.create_task(crowd.one(client, number)) for number in range(32)]
        readers.append(asyncio.create_task(_keeps_asking(pro, crowd.over)))
        for _ in range(3):
            purchase = Purchase("ada")
            for at, told, after in ((0, purchase.paid, True), (60, purchase.charge_refunded, False)):
                facts = [told(at=at, **({"amount": purchase.amount} if at else {}))]
                await asyncio.to_thread(publish, nats_url, facts)
                assert await asyncio.to_thread(service.applied, facts)
                assert await pro() is after
        crowd.over.set()
        await asyncio.gather(*readers)


async def _keeps_asking(pro: Any, over: asyncio.Event) -> None:
    while not over.is_set():
        await pro()
