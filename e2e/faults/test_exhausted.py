"""Somebody else uses up what the services need: honest 503s meanwhile, and all is well again without a hand."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from account_gateway.session.mint import mint_token
from support.buyer import Buyer
from support.faults import checker
from support.faults.schedule import DATABASES, SERVICES
from support.faults.squeeze import crowd, no_connections_left, rows_locked
from support.stack import Stack, eventually, running_stack

pytestmark = pytest.mark.anyio
HELD_SECONDS = float(os.environ.get("ATLAS_HELD_SECONDS", "2"))
"""Beside the 5 s that a connection of the pool is waited for."""
MANY = 40
"""Four times as many as the pool has connections."""
ANSWERED_SECONDS = 9.0
"""5 s for the pool or the other service, and a busy machine."""
CHECKOUT_SECONDS = 30.0
"""The route's own 25 s, and a busy machine."""
HEALED_SECONDS = 20.0
FOLDED_SECONDS = 75.0
"""The projector's longest pause before another try is a minute."""
READ, CHECKOUT = "/api/pro/entitlement", "/api/billing/stripe/checkout"
MOST_CONNECTIONS = {"entitlements": 10 + 5, "checkout": 10 + 2}
"""What a replica may hold: its pool, and what docs/configuration.md says beside it (`DATABASE_POOL_SIZE`)."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    limits = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "RESTORE", "CONFIRM")}
    with running_stack(limits | {"BILLING_PULL_INTERVAL_SECONDS": "0"}) as one:
        yield one


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Buyer:
    buyer = Buyer(stack)
    buyer.buy()
    return buyer


async def test_without_a_connection_left_answers_are_503_and_webhooks_are_taken(stack: Stack, owner: Buyer) -> None:
    newcomer = Buyer(stack)
    session = await in_thread(newcomer.open_checkout)
    async with settled(stack, owner), no_connections_left(dsn(stack, "entitlements")) as taken:
        assert taken > 50
        newcomer.pay(session)
        assert await refused(stack, [owner.user] * MANY) > 0
        await asyncio.sleep(HELD_SECONDS)
    await in_thread(lambda: eventually(newcomer.is_pro, FOLDED_SECONDS, "what was paid meanwhile"))


async def test_a_pool_exhausted_by_slow_queries_is_said_in_time_and_heals_with_them(stack: Stack, owner: Buyer) -> None:
    async with settled(stack, owner), rows_locked(dsn(stack, "entitlements"), "entitlements"):
        assert await refused(stack, [owner.user] * MANY) == MANY, "nothing can be read"


async def test_an_exhausted_pool_of_checkout_leaves_reads_alone(stack: Stack, owner: Buyer) -> None:
    newcomer = Buyer(stack)
    await in_thread(newcomer.entitlement)
    async with settled(stack, owner), rows_locked(dsn(stack, "checkout"), "checkout"):
        buyers = [f"{newcomer.user}-{number}" for number in range(MANY)]
        clicks = asyncio.create_task(refused(stack, buyers, "POST", CHECKOUT, within=CHECKOUT_SECONDS))
        assert await refused(stack, [owner.user] * MANY) == 0
        assert await clicks == MANY
    assert await in_thread(newcomer.open_checkout)


@pytest.mark.parametrize("door", ["account-gateway", "webhook-ingest"])
async def test_a_crowd_of_slow_clients_stands_in_nobodys_way(stack: Stack, owner: Buyer, door: str) -> None:
    newcomer = Buyer(stack)
    async with settled(stack, owner), crowd(int(stack.url(door).rpartition(":")[2])) as size:
        assert size > 100
        assert await refused(stack, [owner.user] * MANY) == 0
        await in_thread(newcomer.buy)


def test_in_the_end_the_books_are_right(stack: Stack) -> None:
    asyncio.run(checker.folded(stack))
    assert checker.announced_wrongly(stack) == []
    assert checker.operators_findings(stack) == []


@asynccontextmanager
async def settled(stack: Stack, owner: Buyer) -> AsyncIterator[None]:
    """Afterwards reads are answered soon, by the same processes, and no pool has grown."""
    pids = {name: stack.pid(name) for name in SERVICES}
    yield
    ended = time.monotonic()
    await in_thread(lambda: eventually(lambda: owner.browser.get(READ).is_success, HEALED_SECONDS))
    print(f"\nhealed after {time.monotonic() - ended:.1f} s")
    assert pids == {name: stack.pid(name) for name in SERVICES}, "nobody was restarted"

    def few() -> bool:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND application_name <> ''"
        return all(0 < checker.query(dsn(stack, name), sql)[0][0] <= MOST_CONNECTIONS[name] for name in DATABASES)

    await in_thread(lambda: eventually(few, HEALED_SECONDS, "no connection too many"))


async def refused(
    stack: Stack, users: Iterable[str], method: str = "GET", path: str = READ, within: float = ANSWERED_SECONDS
) -> int:
    """How many of these users, all at once, are refused: in time and as temporary; the others are answered right."""
    gateway, auth = stack.url("account-gateway"), stack.json["auth"]
    async with aiohttp.ClientSession(gateway, connector=aiohttp.TCPConnector(limit=0)) as http:

        async def ask(user: str) -> bool:
            headers = {"cookie": f"{auth['cookie']}={mint_token(user, auth['nextauth_secret'])}", "origin": gateway}
            body = None if method == "GET" else {}
            async with http.request(method, path, json=body, headers=headers) as answer:
                told = await answer.json()
            assert answer.status in (200, 503), told
            assert answer.status == 200 or told["error"]["recovery"] == "retry_later", told
            return answer.status == 503

        async with asyncio.timeout(within):
            return sum(await asyncio.gather(*map(ask, users)))


async def in_thread(act: Any) -> Any:
    return await asyncio.to_thread(act)


def dsn(stack: Stack, database: str) -> str:
    return str(stack.json["postgres"]["databases"][database])
