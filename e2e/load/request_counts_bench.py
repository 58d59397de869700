"""What one question "how often did this user ask?" costs, counted for all replicas: four stores in one run (decision 0008).

    python e2e/load/request_counts_bench.py [--questions 2000] [--at-once 16]

For each: p50 and p99 of one question after another by different users; questions per second of many users at once; and
50 questions of one user at once, which must give 50 different numbers. The servers share the machine with the asker.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import nats
import nats.js.errors
from nats.js.api import KeyValueConfig, StorageType
from pydantic import SecretStr

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

from webhook_bench import serving

from atlas_contracts.request_counts import REQUEST_COUNTS, CountRequest, RequestCount
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.identity import TokenMint
from atlas_kit.storage.database import Database
from atlas_localstack.servers import broker
from atlas_localstack.servers.ports import LOOPBACK, free_port
from checkout.adapters.request_counts import count_request
from support.embedded import embedded_nats, embedded_postgres
from support.identity import identity_of

Ask = Callable[[str], Awaitable[int]]
CLICKS = 50


@contextlib.contextmanager
def three_brokers() -> Iterator[str]:
    """A JetStream cluster as in production: every server syncs before it acknowledges."""
    ports = [(free_port(), free_port(), free_port()) for _ in range(3)]
    routes = ", ".join(f'"nats://{LOOPBACK}:{route}"' for _, _, route in ports)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for number, (port, monitor, route) in enumerate(ports):
            home = Path(folder) / str(number)
            settings = broker.BrokerSettings(port, monitor, home / "store")
            home.mkdir()
            together = f'cluster {{ name: bench, listen: "{LOOPBACK}:{route}", routes: [{routes}] }}\n'
            config = broker.configuration(settings).replace("server_name: atlas-dev", f"server_name: n{number}")
            (home / "conf").write_text(config + together)
            log = stack.enter_context((home / "log").open("ab"))
            stack.callback(broker.shut_down, broker.start(home / "conf", log))
        deadline = time.monotonic() + 30
        while not all(broker.is_ready(monitor) for _, monitor, _ in ports):
            assert time.monotonic() < deadline, "the cluster does not start"
            time.sleep(0.05)
        yield ",".join(f"nats://{LOOPBACK}:{port}" for port, _, _ in ports)


@contextlib.asynccontextmanager
async def key_value(url: str, storage: StorageType, replicas: int) -> AsyncIterator[Ask]:
    """Read, add one, write if nobody else wrote meanwhile; again where somebody did."""
    client = await nats.connect(url.split(","))
    try:
        bucket = await client.jetstream().create_key_value(KeyValueConfig(bucket="C", storage=storage, replicas=replicas))

        async def ask(user: str) -> int:
            while True:
                try:
                    entry = await bucket.get(user)
                    count, revision = int(entry.value or b"0") + 1, entry.revision or 0
                except nats.js.errors.KeyNotFoundError:
                    count, revision = 1, 0
                with contextlib.suppress(nats.js.errors.KeyWrongLastSequenceError):
                    await bucket.update(user, str(count).encode(), last=revision)
                    return count

        yield ask
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def counter_stream(url: str, storage: str, replicas: int) -> AsyncIterator[Ask]:
    """The broker adds by itself (`Nats-Incr`) and its acknowledgement says the sum."""
    client = await nats.connect(url.split(","))
    try:
        config = {"name": "C", "subjects": ["c.>"], "storage": storage, "num_replicas": replicas, "allow_msg_counter": True}
        made = json.loads((await client.request("$JS.API.STREAM.CREATE.C", json.dumps(config).encode(), timeout=5)).data)
        assert "error" not in made, made

        async def ask(user: str) -> int:
            answer = await client.request(f"c.{user}", b"", timeout=5, headers={"Nats-Incr": "+1"})
            return int(json.loads(answer.data)["val"])

        yield ask
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def table(dsn: str) -> AsyncIterator[Ask]:
    """The checkout service's statement, without the service."""
    database = Database(SecretStr(dsn), "checkout")
    await database.start()
    await database.migrated.wait()

    async def ask(user: str) -> int:
        return (await count_request(database, user, "checkout", 600))[0]

    yield ask
    await database.close()


@contextlib.asynccontextmanager
async def service(url: str) -> AsyncIterator[Ask]:
    """As the gateway asks: HTTP to the checkout service, which counts in its table."""
    key = SecretStr(identity_of("account-gateway")["INTERNAL_SIGNING_KEY"])
    async with ServiceClient(url, "checkout", TokenMint(key, "account-gateway")) as client:

        async def ask(user: str) -> int:
            question = CountRequest(limit="portal", seconds=600)
            return (await client.post(REQUEST_COUNTS, user, RequestCount, question)).count

        yield ask


async def measured(name: str, asker: contextlib.AbstractAsyncContextManager[Ask], questions: int, at_once: int) -> None:
    async with asker as ask:
        await asyncio.gather(*(ask(f"warm{n}") for n in range(20)))
        latencies = []
        for n in range(questions // 4):
            started = time.perf_counter()
            await ask(f"one{n % 200}")
            latencies.append((time.perf_counter() - started) * 1000)
        latencies.sort()
        numbers = iter(range(questions))

        async def worker() -> None:
            for n in numbers:
                await ask(f"many{n % 500}")

        started = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(at_once)))
        rate = questions / (time.perf_counter() - started)
        started = time.perf_counter()
        told = await asyncio.gather(*(ask("clicks") for _ in range(CLICKS)))
        clicks = (time.perf_counter() - started) * 1000
        p50, p99 = (latencies[int(len(latencies) * part)] for part in (0.5, 0.99))
        exact = "exact" if sorted(told) == list(range(1, CLICKS + 1)) else f"NOT EXACT: {sorted(told)}"
        print(f"{name:46} p50 {p50:5.2f} ms  p99 {p99:6.2f} ms  {rate:6.0f}/s  {CLICKS} clicks {clicks:5.0f} ms, {exact}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=16)
    chosen = parser.parse_args()

    def run(name: str, asker: contextlib.AbstractAsyncContextManager[Ask]) -> None:
        asyncio.run(measured(name, asker, chosen.questions, chosen.at_once))

    for storage in StorageType:
        for replicas, brokers in ((1, embedded_nats), (3, three_brokers)):
            with brokers() as url:
                run(f"key-value bucket, {storage.value}, {replicas} replicas", key_value(url, storage, replicas))
            with brokers() as url:
                run(f"counter stream, {storage.value}, {replicas} replicas", counter_stream(url, storage.value, replicas))
    with embedded_postgres(durable=True) as postgres, embedded_nats() as nats_url:
        dsn, port = postgres.create_database(), free_port()
        run("unlogged table", table(dsn))
        environ = identity_of("checkout") | {
            "NATS_URL": nats_url, "DATABASE_URL": dsn, "NEXTAUTH_URL": "http://localhost", "STRIPE_SECRET_KEY": "sk_test_x",
            "STRIPE_PRICE_PRO_LIFETIME": "price_x", "STRIPE_WEBHOOK_SECRET": "whsec_x",
        }  # fmt: skip
        with serving(["-m", "checkout", "--port", str(port)], environ, port, "/readyz"):
            run("unlogged table, by HTTP through checkout", service(f"http://{LOOPBACK}:{port}"))


if __name__ == "__main__":
    main()
