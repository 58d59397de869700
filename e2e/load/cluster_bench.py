"""What more than one of a kind costs: the same bursts of webhooks against several running stacks, by turns.

    python e2e/load/cluster_bench.py one=/tmp/one three=/tmp/three … [--events 1000] [--connections 16] [--rounds 5]

Each argument is a name and the ATLAS_HOME of a running stack (``./atlas up --detach --brokers 3`` and so on). Of each
stack: webhooks accepted and entitlements committed in a second (median of the rounds), and the processor time of an event
in each kind of process, which other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import aiohttp
import psutil
import psycopg
import uvloop

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from webhook_events import event_body, signature

from atlas_localstack.stack.topology import kind_of

SHOWN = ("webhook-ingest", "nats", "entitlements", "postgres", "account-gateway")


def processor_seconds(home: Path) -> Counter[str]:
    """What each kind of process has used since it began, its children included."""
    used: Counter[str] = Counter()
    for name, part in json.loads((home / "run" / "state.json").read_text())["parts"].items():
        process = psutil.Process(part["pid"])
        for each in (process, *process.children(recursive=True)):
            times = each.cpu_times()
            used[kind_of(name)] += times.user + times.system + times.children_user + times.children_system
    return used


async def accepted(stack: dict, numbers: range, connections: int) -> float:
    """Sends the events; how many seconds that took."""
    url, secret, left = stack["webhook"]["url"], stack["webhook"]["secret"], iter(numbers)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as client:

        async def sender() -> None:
            for number in left:
                body = event_body(number, "")
                async with client.post(url, data=body, headers={"stripe-signature": signature(body, secret)}) as answer:
                    assert answer.status == 200, await answer.text()

        began = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(connections)))
        return time.perf_counter() - began


def wait_until_committed(stack: dict, numbers: range) -> None:
    users = [f"user_{number}" for number in numbers]
    with psycopg.connect(stack["postgres"]["databases"]["entitlements"], autocommit=True) as connection:
        while True:
            row = connection.execute("SELECT count(*) FROM entitlements WHERE user_id = ANY(%s)", (users,)).fetchone()
            if row and row[0] == len(users):
                return
            time.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stacks", nargs="+", help="name=ATLAS_HOME")
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    homes = {name: Path(home) for name, _, home in (each.partition("=") for each in options.stacks)}
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in homes}
    used: dict[str, Counter[str]] = {name: Counter() for name in homes}
    first = int(time.time()) * 100_000
    for turn in range(options.rounds + 1):
        for name, home in homes.items():
            stack, before = json.loads((home / "stack.json").read_text()), processor_seconds(home)
            numbers = range(first, first := first + options.events)
            began = time.perf_counter()
            seconds = uvloop.run(accepted(stack, numbers, options.connections))
            wait_until_committed(stack, numbers)
            if turn:  # the first round warms up
                rates[name].append((options.events / seconds, options.events / (time.perf_counter() - began)))
                used[name] += processor_seconds(home) - before
    for name, measured in rates.items():
        per_event = {kind: used[name][kind] / (options.rounds * options.events) * 1e6 for kind in SHOWN}
        shares = ", ".join(f"{kind} {micros:,.0f}" for kind, micros in per_event.items())
        print(f"{name}: accepted {statistics.median(a for a, _ in measured):,.0f}/s, "
              f"committed {statistics.median(c for _, c in measured):,.0f}/s; µs of processor time an event: {shares}")  # fmt: skip


if __name__ == "__main__":
    main()
