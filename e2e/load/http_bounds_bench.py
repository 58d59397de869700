"""What our bounds on HTTP cost a request beside stock uvicorn, and what stock uvicorn does without them, in one run.

    python e2e/load/http_bounds_bench.py [--requests 20000] [--rounds 5]

Both serve the same application, which answers at once. Counted is the server's processor time per request over 16 connections
that stay open, in turn. The attacks: heads that are never finished, on more connections than the server has descriptors
for, while somebody else asks for something; and one head whose headers never end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil

CONNECTIONS = 16
DESCRIPTORS = 256
HALF_HEADS = 400
ANSWER_SECONDS = 3.0
FLOOD_BYTES = 16 * 1024 * 1024
KINDS = ("stock", "ours")
GET = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n"
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nX: "


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        head = [(b"content-type", b"application/json"), (b"content-length", b"64")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"x" * 64})


def serve(kind: str, port: int, descriptors: int) -> None:
    """In a process of its own, as a service serves, with uvicorn's own protocol or with ours."""
    import uvicorn

    from atlas_kit.http.app import GRACE_SECONDS, KEEP_ALIVE_SECONDS, SLOW_CLIENT_BACKLOG, _calm_garbage_collector
    from atlas_kit.http.connections import Connections
    from atlas_kit.http.descriptors import room_for
    from atlas_kit.http.protocol import bounded_protocol

    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    _calm_garbage_collector()
    http: Any = "httptools" if kind == "stock" else bounded_protocol(Connections(room_for(4096)))
    uvicorn.run(
        application, host="127.0.0.1", port=port, http=http, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
        proxy_headers=False, backlog=SLOW_CLIENT_BACKLOG, timeout_keep_alive=KEEP_ALIVE_SECONDS, timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip


@contextlib.contextmanager
def served(kind: str, descriptors: int = 4096) -> Iterator[tuple[int, psutil.Process]]:
    """A server of this kind: its port and its process."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as reserved:
        port = reserved.getsockname()[1]
    command = [sys.executable, __file__, "--child", kind, str(port), str(descriptors)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 30
            while not answers(port):
                assert time.monotonic() < deadline, "the server doesn't start"
                time.sleep(0.05)
            yield port, psutil.Process(server.pid)
        finally:
            server.kill()


def answers(port: int) -> bool:
    """Whether somebody who asks now gets an answer in time."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as line:
        line.sendall(GET)
        return line.recv(65_536).startswith(b"HTTP/1.1 200")
    return False


def cost(port: int, process: psutil.Process, requests: int) -> float:
    """Microseconds of the server's processor time per request."""

    async def ask(times: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            writer.write(GET)
            await reader.readuntil(b"x" * 64)
        writer.close()

    async def load(each: int) -> None:
        await asyncio.gather(*(ask(each) for _ in range(CONNECTIONS)))

    asyncio.run(load(50))
    before = process.cpu_times()
    asyncio.run(load(requests // CONNECTIONS))
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / requests * 1e6


def answers_beside_half_heads(kind: str) -> bool:
    """Whether somebody else gets an answer while others hold more heads open than the server has descriptors."""
    with served(kind, DESCRIPTORS) as (port, _), contextlib.ExitStack() as held:
        for _ in range(HALF_HEADS):
            with contextlib.suppress(OSError):
                line = held.enter_context(socket.create_connection(("127.0.0.1", port), 1))
                line.sendall(HALF_A_HEAD)
        return answers(port)


def held_of_a_head_without_end(kind: str) -> float:
    """By how many MB one connection makes the server grow that sends headers and never ends them."""
    with served(kind) as (port, process):
        before = process.memory_info().rss
        with socket.create_connection(("127.0.0.1", port), 60) as line:
            with contextlib.suppress(OSError):
                line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
                for _ in range(FLOOD_BYTES // 65_536):
                    line.sendall(b"a:\r\n" * 16_384)
            answers(port)  # whatever was sent has been read by now
            return float(process.memory_info().rss - before) / 1e6


def main() -> None:
    if "--child" in sys.argv:
        serve(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    spent: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with served("stock") as stock, served("ours") as ours:
        for _ in range(options.rounds):
            for kind, (port, process) in zip(KINDS, (stock, ours), strict=True):
                spent[kind].append(cost(port, process, options.requests))
    for kind in KINDS:
        print(f"{kind}: {statistics.median(spent[kind]):.1f} µs of processor time per request ({min(spent[kind]):.1f} to {max(spent[kind]):.1f})")
        print(f"{kind}: beside {HALF_HEADS} half heads somebody else {'gets an answer' if answers_beside_half_heads(kind) else 'gets none'}")
        print(f"{kind}: {FLOOD_BYTES >> 20} MB of one head without end: {held_of_a_head_without_end(kind):.0f} MB held")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
