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
import uvloop

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from cluster_bench import accepted, wait_until_committed
from webhook_events import event_body, signature

from account_gateway.session.mint import mint_token

POLL_SECONDS = 0.01
"""Pause between two looks of one buyer: the lookers share the machine with what they look at."""


def burst(stack: dict, events: int, connections: int, first: int) -> None:
    """Everything at once over so many connections."""
    numbers, started = range(first, first + events), time.perf_counter()
    seconds = uvloop.run(accepted(stack, numbers, connections))
    wait_until_committed(stack, numbers)
    folded = time.perf_counter() - started
    print(f"burst of {events} over {connections} connections: accepted {events / seconds:,.0f}/s, "
          f"committed {events / folded:,.0f}/s")  # fmt: skip


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
    burst(stack, options.events, options.connections, first)
    uvloop.run(visible(stack, options.rate, options.seconds, first + options.events))


if __name__ == "__main__":
    main()
