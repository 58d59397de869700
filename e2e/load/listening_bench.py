"""What FastStream costs the projector: processor time per fact, beside the loop that stood there before, in one run.

    python e2e/load/listening_bench.py [--facts 4000] [--singles 300] [--rounds 3]

The loop of before comes out of the history. Both fold into a Postgres with fsync, from a broker of their own: first a
backlog flat out, then facts 20 ms apart, each a batch of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

import nats
from pydantic import SecretStr

from atlas_contracts.streams import BILLING, PROJECTOR_DURABLE, STREAMS
from atlas_kit.http.app import _calm_garbage_collector
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.declaring import declare_stream
from atlas_kit.messaging.events import now
from atlas_kit.messaging.handed_over import HandedOver
from atlas_kit.storage.database import Database
from entitlements.domain.policy import Policy
from entitlements.entrypoints.projector import Projector
from support.embedded import embedded_nats, embedded_postgres
from support.facts import Purchase

BEFORE = "60aa7dc:services/entitlements/src/entitlements/pull_consumer.py"
APART_SECONDS = 0.02


async def fold(which: str, url: str, dsn: str, facts: int) -> None:
    """In a process of its own: fold until so many facts are in the ledger; seconds of processor time, and of time."""
    database, broker = Database(SecretStr(dsn), "entitlements", pipelined_connections=1), Broker(SecretStr(url), "bench", streams=STREAMS)
    projector = Projector(database, broker, Policy(), now, asyncio.Condition(), HandedOver())
    await database.start()
    await broker.start()
    await database.migrated.wait()
    await broker.connected.wait()
    _calm_garbage_collector()  # as a service does
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    listening = asyncio.create_task(projector.run() if which == "faststream" else _as_before(projector, broker))
    spent, started = time.process_time(), time.perf_counter()
    while not listening.done():
        async with database.transaction() as connection:
            row = await (await connection.execute("SELECT count(*) FROM ledger")).fetchone()
        if row and row[0] >= facts:
            break
        await asyncio.sleep(0.1)
    else:
        raise SystemExit(f"the loop ended: {listening.exception()!r}")
    print(time.process_time() - spent, time.perf_counter() - started, flush=True)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await broker.close()
    await database.close()


async def _as_before(projector: Projector, broker: Broker) -> None:
    source = subprocess.run(["git", "show", BEFORE], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    source = source.replace("atlas_kit.logs", "atlas_kit.process.logs")  # where it is today
    loop = types.ModuleType("pull_consumer_before")
    exec(source, loop.__dict__)
    await loop.declare_consumer(broker.client, BILLING, PROJECTOR_DURABLE)
    async for batch in loop.batches(broker.client, BILLING, PROJECTOR_DURABLE):
        await projector.handle(batch)


async def publish(url: str, facts: int, apart: float) -> None:
    client = await nats.connect(url)
    for stream in STREAMS:
        await declare_stream(client.jetstream(), stream, 1)
    for number in range(facts):
        subject = "billing.v1.purchase_succeeded"
        await client.publish(subject, Purchase(f"user-{number}").paid(at=0).wire)
        await asyncio.sleep(apart)
    await client.drain()


@contextlib.contextmanager
def folding(which: str, url: str, dsn: str, facts: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, __file__, "--child", which, url, dsn, str(facts)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        yield child


def measured(which: str, facts: int, apart: float, postgres: object) -> tuple[float, float]:
    """Microseconds of processor time per fact, and facts per second."""
    with embedded_nats() as url, folding(which, url, postgres.create_database(), facts) as child:
        assert child.stdin
        assert child.stdout
        _until(child, "ready")
        if not apart:
            asyncio.run(publish(url, facts, apart))  # a backlog
        child.stdin.write("go\n")
        child.stdin.flush()
        if apart:
            asyncio.run(publish(url, facts, apart))
        spent, took = (float(part) for part in _until(child, "").split())
        return spent / facts * 1e6, facts / took


def _until(child: subprocess.Popen[str], begin: str) -> str:
    assert child.stdout
    for line in child.stdout:
        if line.startswith(begin) and not line.startswith(("{", "20")) and (begin or line[0].isdigit()):
            return line
    raise SystemExit("the folding process ended")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=4_000)
    parser.add_argument("--singles", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with embedded_postgres(durable=True) as postgres:
        for what, facts, apart in (("flat out", asked.facts, 0.0), ("one at a time", asked.singles, APART_SECONDS)):
            found: dict[str, list[tuple[float, float]]] = {"before": [], "faststream": []}
            for number in range(asked.rounds):
                for which in sorted(found, reverse=bool(number % 2)):
                    found[which].append(measured(which, facts, apart, postgres))
            for which, values in found.items():
                spent = [value[0] for value in values]
                rates = " ".join(f"{value[1]:,.0f}" for value in values)
                print(f"{what:14} {which:11} {statistics.median(spent):7,.0f} µs per fact "
                      f"({min(spent):,.0f} to {max(spent):,.0f}), {rates} facts/s")  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        which, url, dsn, facts = sys.argv[2:]
        asyncio.run(fold(which, url, dsn, int(facts)))
    else:
        main()
