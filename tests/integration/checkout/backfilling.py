"""An account of every kind of old session, and backfills of it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import psycopg

from support import identity

from .conftest import World

DAY = 86_400
OURS = "pro_lifetime_v1"


def old(user: str | None, days: int, product: str | None = OURS, **more: Any) -> dict[str, Any]:
    metadata = {name: value for name, value in (("userId", user), ("productKey", product)) if value}
    return {"created": int(time.time()) - days * DAY, "metadata": metadata, **more}


def past(prefix: str, each: int = 1) -> list[dict[str, Any]]:
    """Every kind of session that an existing app has at Stripe."""
    made = []
    for n in range(each):
        name = f"{prefix}-{n}"
        made += [
            old(f"{name}-paid", 400 + n),
            old(f"{name}-customer", 300 + n, customer=True),
            old(f"{name}-refunded", 200 + n, refunds=[{}]),
            old(f"{name}-partly", 200 + n, refunds=[{"amount": 900}]),
            old(f"{name}-bounced", 190 + n, refunds=[{"status": "failed"}]),
            old(f"{name}-lost", 100 + n, disputes=[{"status": "lost"}]),
            old(f"{name}-won", 100 + n, disputes=[{"status": "won", "detached": True}]),
            old(f"{name}-processing", 3, outcome="processing"),
            old(f"{name}-failed", 90 + n, outcome="failed"),
            old(f"{name}-free", 80 + n, amount=0),
            old(f"{name}-expired", 70 + n, outcome="expired"),
            old(f"{name}-link", 60 + n, payment_link=True),
            old(f"{name}-euro", 50 + n, amount=4900, currency="eur"),
            old(f"{name}-shoes", 40 + n, product="shoes"),
            old(None, 30 + n),
            old("  padded ", 20 + n),
        ]
    return made


MANY = 130
"""More than a page."""


def many(prefix: str) -> list[dict[str, Any]]:
    """Sessions that need no request of their own: newer than all that other tests have made, so that they come first."""
    return [{**old(f"{prefix}-many-{n}", 0), "created": int(time.time()) - 1} for n in range(MANY)]


PRO = {"paid", "customer", "partly", "bounced", "won"}
REVOKED = {"refunded", "lost"}
REFUSED = {"link": "made_by_a_payment_link", "euro": "other_currency", "shoes": "other_product"}


class Told:
    """What a backfill answered."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.lines = lines
        self.last = lines[-1]
        self.refused = {line["what"].removeprefix("checkout session "): line for line in lines if line.get("stage") == "refused"}

    @property
    def counts(self) -> tuple[int, int, int, int]:
        assert self.last["stage"] == "done", self.last
        return tuple(self.last[name] for name in ("read", "new", "known", "refused"))  # type: ignore[return-value]  # four names, four numbers


async def backfill(world: World, *, at: str | None = None, **asked: Any) -> Told:
    answer = await world.ask("POST", "/operator/backfill", body=asked, at=at, issuer="operator")
    assert answer.status == 200, answer
    return Told([json.loads(line) for line in answer.body["raw"].splitlines()])


async def seeded(world: World, sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return (await world.control("POST", "/seed", {"sessions": sessions}))["data"]


def ledger(world: World) -> list[tuple[Any, ...]]:
    with psycopg.connect(world.entitlements_dsn) as connection:
        return connection.execute("SELECT seq, event_id, via FROM ledger ORDER BY seq").fetchall()



async def status(world: World, user: str) -> tuple[bool, str, int]:
    found = await world.entitlement(user)
    return found["isPro"], found["status"], found["version"]


@contextlib.asynccontextmanager
async def streaming(world: World, at: str, **asked: Any) -> AsyncIterator[aiohttp.ClientResponse]:
    """A backfill while it runs."""
    bearer = identity.token("operator", "checkout", "operator")
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{at}/operator/backfill", json=asked, headers={"authorization": f"Bearer {bearer}"}) as response:
            yield response


async def until(response: aiohttp.ClientResponse, stage: str) -> dict[str, Any]:
    """The first line of that stage."""
    async for line in response.content:
        told = json.loads(line)
        if told["stage"] == stage:
            return told
    raise AssertionError(f"no {stage}")
