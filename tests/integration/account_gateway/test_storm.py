"""A storm of restores, confirms and reads while the parts behind are stopped, slowed and killed: contract answers only."""

from __future__ import annotations

import asyncio
import collections
import os
import random
import signal
import time
from collections.abc import Iterator

import aiohttp
import psutil
import pytest

from account_gateway.session.mint import mint_token
from support.stack import Stack, new_stack

SECONDS = 240 if os.environ.get("ATLAS_LONG") else 25
AT_ONCE = 40
USERS = 12
SESSION_SECRET = "a session secret of this test alone"
ASKED = {
    ("GET", "/api/pro/entitlement"): ({200, 503}, None),
    ("GET", "/api/billing/overview"): ({200, 503}, None),
    ("POST", "/api/pro/restore"): ({200, 503}, {"trigger": "account"}),
    ("POST", "/api/billing/stripe/confirm"): ({200, 404, 503}, {"checkoutSessionId": "cs_test_unknown"}),
    ("POST", "/api/billing/stripe/checkout"): ({200, 400, 503}, {"source": "hero"}),
}
MESSAGES = {
    "/api/pro/restore": "Restore is temporarily unavailable. Please try again later.",
    "/api/billing/stripe/confirm": "Checkout is temporarily unavailable. Please try again later.",
    "/api/billing/stripe/checkout": "Checkout is temporarily unavailable. Please try again later.",
}
PARTS = ("checkout", "entitlements", "sandbox", "nats", "postgres")

pytestmark = pytest.mark.timeout(SECONDS + 300)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    limits = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}
    with new_stack({"NEXTAUTH_SECRET": SESSION_SECRET, **limits}) as running:
        running.up()
        yield running


def test_every_answer_in_a_storm_is_the_contracts(stack: Stack) -> None:
    wrong, statuses = asyncio.run(_storm(stack, random.Random(int(os.environ.get("ATLAS_SEED", "9")))))
    assert not wrong, wrong[:5]
    for route in ASKED:
        assert statuses[*route, 200] > 0 or route[1].endswith("confirm"), (route, statuses)
    assert sum(count for (_, _, status), count in statuses.items() if status == 503) > 0, "it was a storm"


async def _storm(stack: Stack, chance: random.Random) -> tuple[list[str], collections.Counter[tuple[str, str, int]]]:
    wrong: list[str] = []
    statuses: collections.Counter[tuple[str, str, int]] = collections.Counter()
    until = time.monotonic() + SECONDS
    gateway = stack.url("account-gateway")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(90)) as http:

        async def client(number: int) -> None:
            cookie = f"next-auth.session-token={mint_token(f'user_{number % USERS}', SESSION_SECRET)}"
            while time.monotonic() < until:
                (method, path), (allowed, body) = chance.choice(list(ASKED.items()))
                async with http.request(method, gateway + path, json=body, headers={"cookie": cookie}) as answer:
                    told = await answer.json()
                statuses[method, path, answer.status] += 1
                message = told.get("error", {}).get("message")
                if answer.status not in allowed or (answer.status == 503 and message != MESSAGES.get(path, message)):
                    wrong.append(f"{method} {path} {answer.status} {told} {answer.headers.get('x-request-id')}")

        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(client(number))
            group.create_task(_trouble(stack, chance, until))
    return wrong, statuses


async def _trouble(stack: Stack, chance: random.Random, until: float) -> None:
    """Something behind the gateway stops for a while, or is killed and started again by the supervisor."""
    while time.monotonic() < until - 3:
        await asyncio.sleep(chance.uniform(0.2, 1.5))
        part = chance.choice(PARTS)
        try:
            process = psutil.Process(await asyncio.to_thread(stack.pid, part))
            if chance.random() < 0.5:
                process.send_signal(chance.choice((signal.SIGKILL, signal.SIGTERM)))
                continue
            family = [process, *process.children(recursive=True)]
            for one in family:
                one.suspend()
            await asyncio.sleep(chance.choice((0.3, 2, 7)))
            for one in family:
                one.resume()
        except (psutil.Error, KeyError, TypeError):  # between two lives it has no process
            continue
