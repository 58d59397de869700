"""The whole pipeline on a real stack: webhook in, committed projection out, and how soon the gateway shows it.

    ATLAS_HOME=… python e2e/load/pipeline_bench.py [--events 5000] [--connections 64] [--rate 200] [--seconds 20]

Needs a running stack (``./atlas up --detach``). First a burst: events per second from the first webhook until the last
entitlement is committed. Then a steady rate: the time from sending a webhook to reading Pro at the gateway, looked for
every 10 ms by the same buyer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path

import aiohttp
import psycopg
import uvloop

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from webhook_events import event_body, signature

from account_gateway.session.mint import mint_token

POLL_SECONDS = 0.01
"""Pause between two looks of one buyer: the lookers share the machine with what they look at."""


async def burst(stack: dict, events: int, connections: int, first: int) -> None:
    """Everything at once over so many connections."""
    url, secret = stack["webhook"]["url"], stack["webhook"]["secret"]
    numbers = iter(range(first, first + events))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as client:

        async def sender() -> None:
            for number in numbers:
                body = event_body(number, "")
                async with client.post(url, data=body, headers={"stripe-signature": signature(body, secret)}) as answer:
                    assert answer.status == 200, await answer.text()

        started = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(connections)))
        accepted = time.perf_counter() - started
    wait_until_folded(stack, first, events)
    folded = time.perf_counter() - started
    print(f"burst of {events} over {connections} connections: accepted {events / accepted:,.0f}/s, "
          f"committed {events / folded:,.0f}/s")  # fmt: skip


def wait_until_folded(stack: dict, first: int, events: int) -> None:
    """Until the last of the burst's users is in the projection."""
    users = [f"user_{number}" for number in range(first, first + events)]
    with psycopg.connect(stack["postgres"]["databases"]["entitlements"], autocommit=True) as connection:
        while True:
            row = connection.execute("SELECT count(*) FROM entitlements WHERE user_id = ANY(%s)", (users,)).fetchone()
            if row and row[0] == events:
                return
            time.sleep(0.01)


async def visible(stack: dict, rate: int, seconds: int, first: int) -> None:
    """A webhook every 1/rate seconds; each buyer polls the gateway until Pro."""
    gateway = stack["services"]["account-gateway"]["url"] + "/api/pro/entitlement"
    latencies: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

        async def one(number: int) -> None:
            body = event_body(number, "")
            headers = {"stripe-signature": signature(body, stack["webhook"]["secret"])}
            cookie = {
                "cookie": f"{stack['auth']['cookie']}={mint_token(f'user_{number}', stack['auth']['nextauth_secret'])}"
            }
            sent = time.perf_counter()
            async with client.post(stack["webhook"]["url"], data=body, headers=headers) as answer:
                assert answer.status == 200
            while True:
                async with client.get(gateway, headers=cookie) as answer:
                    if (await answer.json())["data"]["isPro"]:
                        break
                await asyncio.sleep(POLL_SECONDS)
            latencies.append((time.perf_counter() - sent) * 1000)

        tasks = []
        start = time.perf_counter()
        for count in range(rate * seconds):
            await asyncio.sleep(max(0.0, start + count / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(one(first + count)))
        await asyncio.gather(*tasks)
    quantiles = statistics.quantiles(latencies, n=100)
    print(f"{rate}/s for {seconds} s, webhook sent → Pro at the gateway: "
          f"p50 {quantiles[49]:.1f} ms, p95 {quantiles[94]:.1f} ms, p99 {quantiles[98]:.1f} ms")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    stack = json.loads((Path(os.environ.get("ATLAS_HOME", ".atlas")) / "stack.json").read_text())
    first = int(time.time()) * 100_000
    uvloop.run(burst(stack, options.events, options.connections, first))
    uvloop.run(visible(stack, options.rate, options.seconds, first + options.events))


if __name__ == "__main__":
    main()
