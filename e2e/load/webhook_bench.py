"""Webhooks per second, durably stored, beside the obvious design in the same run.

    python e2e/load/webhook_bench.py [--events 6000] [--connections 16 64] [--only atlas|obvious]

Distinct signed events over keep-alive connections; nats-server with `sync_interval: always`, Postgres with fsync on.
The load generator shares the machine with the servers, so compare ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

from webhook_events import event_body, request

from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.embedded import embedded_nats, embedded_postgres
from support.identity import identity_of

SECRET = "whsec_" + secrets.token_hex(16)


@dataclass
class Figures:
    """Requests per second, and milliseconds."""

    rate: float
    p50: float
    p99: float
    not_ok: int


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, requests: Iterator[bytes], figures: list[float], done: asyncio.Future[None]) -> None:
        self.requests, self.latencies, self.done = requests, figures, done
        self.not_ok = 0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send_next()

    def send_next(self) -> None:
        message = next(self.requests, None)
        if message is None:
            self.transport.close()
            self.done.set_result(None)
            return
        self.started = time.perf_counter()
        self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        start = head.find(b"content-length: ") + 16
        if len(body) < int(head[start : start + 8].split(b"\r", 1)[0]):
            return
        self.latencies.append(time.perf_counter() - self.started)
        self.not_ok += not self.buffer.startswith(b"HTTP/1.1 200")
        self.buffer = b""
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("closed early"))


async def load(port: int, events: int, connections: int, *, secret: str = SECRET, first: int = 0) -> Figures:
    """Send `events` distinct webhooks over `connections` connections, about users `first` and following."""
    run = secrets.token_hex(3)
    ready = iter([request(event_body(n, run), secret, f"{LOOPBACK}:{port}") for n in range(first, first + events)])
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    started = time.perf_counter()
    lines = []
    for _ in range(connections):
        done = loop.create_future()
        _, line = await loop.create_connection(lambda done=done: _Connection(ready, latencies, done), LOOPBACK, port)
        lines.append(line)
    await asyncio.gather(*(line.done for line in lines))
    seconds = time.perf_counter() - started
    latencies.sort()
    return Figures(
        len(latencies) / seconds,
        latencies[len(latencies) // 2] * 1000,
        latencies[int(len(latencies) * 0.99)] * 1000,
        sum(line.not_ok for line in lines),
    )


@contextlib.contextmanager
def serving(arguments: list[str], environment: dict[str, str], port: int, path: str) -> Iterator[psutil.Process]:
    """A server process, ready."""
    with open(os.environ.get("BENCH_LOG", os.devnull), "w") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments], env={**os.environ, **environment}, cwd=HERE, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=2) as answer:
                if answer.status == 200:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{arguments} did not start")
            time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def atlas() -> Iterator[tuple[int, list[psutil.Process]]]:
    port = free_port()
    with embedded_nats() as nats_url:
        environment = {
            "NATS_URL": nats_url,
            "STRIPE_SECRET_KEY": "sk_test_bench",
            "STRIPE_API_BASE": f"http://{LOOPBACK}:9",
            "STRIPE_WEBHOOK_SECRET": SECRET,
            **identity_of("webhook-ingest"),
            "BILLING_PULL_INTERVAL_SECONDS": "0",
        }
        broker = [child for child in psutil.Process().children() if "nats" in child.name()]
        with serving([*os.environ.get("BENCH_PYTHON", "").split(), "-m", "webhook_ingest", "--port", str(port)], environment, port, "/readyz") as service:
            yield port, [service, *broker]


@contextlib.contextmanager
def obvious() -> Iterator[tuple[int, list[psutil.Process]]]:
    port = free_port()
    with embedded_postgres(durable=True) as postgres:
        environment = {"DATABASE_URL": postgres.create_database(), "STRIPE_WEBHOOK_SECRET": SECRET}
        arguments = ["-m", "uvicorn", "obvious_design:app", "--port", str(port), "--log-level", "warning", "--no-access-log"]
        with serving(arguments, environment, port, "/docs") as service:
            yield port, [service]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=6000)
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--only", choices=["atlas", "obvious"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    designs = {"atlas": atlas, "obvious": obvious}
    results = []
    for name in [options.only] if options.only else designs:
        with designs[name]() as (port, processes):
            uvloop.run(load(port, 500, 16))  # warm
            for connections in options.connections:
                before = [sum(p.cpu_times()[:2]) for p in processes]
                events = options.events if name == "atlas" else max(500, options.events // 4)
                figures = uvloop.run(load(port, events, connections))
                cpu = [round((sum(p.cpu_times()[:2]) - b) * 1e6 / events) for p, b in zip(processes, before, strict=True)]
                results.append({"design": name, "connections": connections, **vars(figures), "cpu_us": cpu})
                if not options.json:
                    print(
                        f"{name:8} {connections:4} connections: {figures.rate:7.0f}/s  p50 {figures.p50:6.1f} ms"
                        f"  p99 {figures.p99:6.1f} ms  not 200: {figures.not_ok}  CPU µs per event: {cpu}",
                        flush=True,
                    )
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
