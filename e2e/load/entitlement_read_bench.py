"""Entitlement reads per second through gateway and service, beside the obvious single service in the same run.

    python e2e/load/entitlement_read_bench.py [--reads 20000] [--users 1000] [--connections 16] [--only atlas|obvious]

Every user has a next-auth session cookie of their own; half of them are Pro. The load generator shares the machine with the servers,
so compare ratios, and processor time where the machine does other things as well. Exit code 1 when the ratio is under half of what docs/performance.md tells.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import uvloop

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

from processor_time import per_event, snapshot
from webhook_bench import Figures, _Connection, serving

from account_gateway.session.mint import mint_token
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.embedded import embedded_nats, embedded_postgres
from support.identity import identity_of

FLOOR = 1.1
SECRET = secrets.token_hex(32)
COLUMNS = """user_id text PRIMARY KEY, is_pro boolean NOT NULL, status text NOT NULL, source text, active_from timestamptz,
active_until timestamptz, version bigint NOT NULL, reason text NOT NULL, caused_by text NOT NULL, updated_at timestamptz NOT NULL"""
FILL = """INSERT INTO entitlements SELECT 'user_' || n, true, 'active', 'stripe', now(), NULL, 1, 'purchase', 'stripe:evt_' || n, now()
FROM generate_series(0, %s, 2) AS n"""
PATH = "/api/pro/entitlement"


def requests(header: str, values: list[str], count: int) -> Iterator[bytes]:
    """As a browser sends them; each user in turn."""
    ready = [f"GET {PATH} HTTP/1.1\r\nHost: {LOOPBACK}\r\nAccept: */*\r\n{header}: {value}\r\n\r\n".encode() for value in values]
    return (ready[number % len(ready)] for number in range(count))


async def load(port: int, messages: Iterator[bytes], connections: int) -> Figures:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    started = time.perf_counter()
    lines = []
    for _ in range(connections):
        done = loop.create_future()
        _, line = await loop.create_connection(lambda done=done: _Connection(messages, latencies, done), LOOPBACK, port)
        lines.append(line)
    await asyncio.gather(*(line.done for line in lines))
    seconds = time.perf_counter() - started
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * part)] * 1000 for part in (0.5, 0.99))
    return Figures(len(latencies) / seconds, p50, p99, sum(line.not_ok for line in lines))


@contextlib.contextmanager
def atlas(users: int) -> Iterator[tuple[int, str, list[str], dict[str, int]]]:
    """Gateway and entitlements service, with broker and database."""
    front, back = free_port(), free_port()
    with embedded_nats() as nats_url, embedded_postgres(durable=True) as postgres:
        dsn = postgres.create_database()
        shared = {"NATS_URL": nats_url}
        gateway = shared | identity_of("account-gateway") | {
            "NEXTAUTH_URL": f"http://{LOOPBACK}:{front}",
            "NEXTAUTH_SECRET": SECRET,
            "ENTITLEMENTS_URL": f"http://{LOOPBACK}:{back}",
        }
        with (
            serving(["-m", "entitlements", "--port", str(back)], shared | identity_of("entitlements") | {"DATABASE_URL": dsn}, back, "/readyz") as service,
            serving(["-m", "account_gateway", "--port", str(front)], gateway, front, "/readyz") as edge,
        ):
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(FILL, (users,))
            cookies = [f"next-auth.session-token={mint_token(f'user_{n}', SECRET)}" for n in range(users)]
            yield front, "Cookie", cookies, {"gateway": edge.pid, "entitlements": service.pid, "Postgres": postgres_pid()}


@contextlib.contextmanager
def obvious(users: int) -> Iterator[tuple[int, str, list[str], dict[str, int]]]:
    port = free_port()
    with embedded_postgres(durable=True) as postgres:
        dsn = postgres.create_database()
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE entitlements ({COLUMNS})")
            connection.execute(FILL, (users,))
        arguments = ["-m", "uvicorn", "obvious_read:app", "--port", str(port), "--log-level", "warning", "--no-access-log"]
        with serving(arguments, {"DATABASE_URL": dsn}, port, "/docs") as service:
            yield port, "x-user", [f"user_{n}" for n in range(users)], {"service": service.pid, "Postgres": postgres_pid()}


def postgres_pid() -> int:
    """Of the embedded server; its connections' processes are its children."""
    [server] = [child.pid for child in psutil.Process().children() if child.name() == "postgres"]
    return server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reads", type=int, default=20_000)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", choices=["atlas", "obvious"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    designs = {"atlas": atlas, "obvious": obvious}
    results = {}
    for name in [options.only] if options.only else designs:
        with designs[name](options.users) as (port, header, values, pids):
            uvloop.run(load(port, requests(header, values, max(1_000, options.users)), options.connections))  # warm
            before = snapshot(pids) | {"load": time.process_time()}
            figures = uvloop.run(load(port, requests(header, values, options.reads), options.connections))
            cpu = {name: round(spent) for name, spent in per_event(before, snapshot(pids) | {"load": time.process_time()}, options.reads).items()}
            results[name] = vars(figures) | {"cpu_us": cpu}
            if not options.json:
                print(
                    f"{name:8} {options.connections:4} connections: {figures.rate:7.0f}/s  p50 {figures.p50:6.1f} ms"
                    f"  p99 {figures.p99:6.1f} ms  not 200: {figures.not_ok}  CPU µs per read: {cpu}",
                    flush=True,
                )
    ratio = results["atlas"]["rate"] / results["obvious"]["rate"] if len(results) == len(designs) else None
    if options.json:
        print(json.dumps(results | {"ratio": ratio}))
    elif ratio is not None:
        print(f"atlas is {ratio:.2f} times the obvious single service")
    sys.exit(1 if ratio is not None and ratio < FLOOR else 0)


if __name__ == "__main__":
    main()
