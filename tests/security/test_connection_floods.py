"""Connections that want nothing but to be held, beside webhooks that want to get in."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from atlas_kit.http.app import serve_as
from atlas_localstack.servers.ports import LOOPBACK
from support.embedded import embedded_nats
from support.ingest import PATH, Ingest, eventually, running_ingest
from support.stripe_events import body_of, purchase, signature

SERVICES = Path(__file__).resolve().parents[2] / "services"
MOST = 200
HELD = 4_000 if os.environ.get("ATLAS_LONG") else 1_500
SECONDS_FOR_A_GOOD_WEBHOOK = 10
"""Checkout waits so long before it sends the buyer back; attacker, attacked and this test share the cores."""
SLOW_BODY = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nStripe-Signature: t=1,v1=0\r\nContent-Length: 250000\r\n\r\n".encode()
BEGINNINGS = [b"", b"POST / HTTP/1.1\r\nHo", SLOW_BODY, SLOW_BODY + b"x" * 100_000]


@contextmanager
def flood(port: int, connections: int) -> Iterator[list[socket.socket]]:
    """So many connections, each idle or sending a byte a second; one that is closed is opened again at once."""
    lines: list[socket.socket] = []
    stopped = threading.Event()

    def open_one(number: int) -> socket.socket:
        line = socket.create_connection((LOOPBACK, port), timeout=5)
        with contextlib.suppress(OSError):
            line.sendall(BEGINNINGS[number % len(BEGINNINGS)])
        line.setblocking(False)
        return line

    def drip() -> None:
        while not stopped.wait(1):
            for number, line in enumerate(lines):
                try:
                    if number % len(BEGINNINGS):
                        line.send(b"x")
                    if line.recv(1_000) == b"":
                        raise ConnectionResetError
                except BlockingIOError:
                    continue
                except OSError:
                    line.close()
                    with contextlib.suppress(OSError):
                        lines[number] = open_one(number)

    dripping = threading.Thread(target=drip)
    try:
        for number in range(connections):
            lines.append(open_one(number))
        dripping.start()
        yield lines
    finally:
        stopped.set()
        if dripping.ident:
            dripping.join()
        for line in lines:
            line.close()


def good_webhooks(ingest: Ingest, count: int) -> float:
    """Deliver so many; the slowest one's seconds."""
    slowest = 0.0
    for _ in range(count):
        started = time.monotonic()
        assert ingest.deliver(purchase()).status == 200
        slowest = max(slowest, time.monotonic() - started)
    return slowest


def connections_of(process: psutil.Process, port: int) -> int:
    return sum(c.laddr.port == port and c.status != psutil.CONN_LISTEN for c in process.net_connections("tcp4"))


@pytest.fixture(scope="module")
def nats_url() -> Iterator[str]:
    with embedded_nats() as url:
        yield url


@pytest.fixture(scope="module")
def small(nats_url: str) -> Iterator[Ingest]:
    with running_ingest(nats_url, HTTP_MAX_CONNECTIONS=str(MOST)) as ingest:
        yield ingest


def test_five_hundred_slow_bodies_are_cut_off_while_good_webhooks_pass(nats_url: str) -> None:
    with running_ingest(nats_url) as ingest:  # as it is configured by default
        good_webhooks(ingest, 20)
        before = ingest.process.memory_info().rss
        with flood(ingest.port, 500) as lines:
            slow = [line for number, line in enumerate(lines) if number % len(BEGINNINGS) >= 2]
            assert good_webhooks(ingest, 30) < SECONDS_FOR_A_GOOD_WEBHOOK
            assert ingest.process.memory_info().rss - before < 100_000_000
            selector = selectors.DefaultSelector()
            selector.register(slow[0], selectors.EVENT_READ)
            eventually(lambda: [line for line in slow if line.fileno() < 0] or selector.select(0.1), 30)
        eventually(lambda: ingest.metric('atlas_http_requests_total{method="POST",route="' + PATH + '",status="408"') > 0)


def test_thousands_of_held_connections_neither_starve_good_webhooks_nor_fill_the_memory(small: Ingest) -> None:
    good_webhooks(small, 20)
    before = small.process.memory_info().rss
    with flood(small.port, HELD):
        slowest = 0.0
        for _ in range(3):
            slowest = max(slowest, good_webhooks(small, 10))
            assert slowest < SECONDS_FOR_A_GOOD_WEBHOOK, "none of them is refused or late"
            assert connections_of(small.process, small.port) <= MOST * 5 // 4 + 10
        grown = small.process.memory_info().rss - before
        print(f"{HELD} held connections, {MOST} allowed: grown by {grown / 1e6:.0f} MB, good webhooks all 200, slowest {slowest:.1f} s")
        assert grown < 100_000_000
        assert small.metric("atlas_http_connections_ended_total") > HELD // 2
    assert len(small.logged("http.connections_full")) < 10, "who floods the door must not flood the log"
    eventually(lambda: small.metric("atlas_http_connections ") < 20)
    assert good_webhooks(small, 5) < SECONDS_FOR_A_GOOD_WEBHOOK


def test_webhooks_that_wait_for_the_broker_are_bounded_too_and_the_rest_hears_503() -> None:
    """With the broker stopped in its tracks, twice as many good webhooks as there is room for."""
    with embedded_nats() as url, running_ingest(url, HTTP_MAX_CONNECTIONS="32") as ingest:
        good_webhooks(ingest, 3)
        [broker] = [c.pid for c in psutil.net_connections("tcp4") if c.status == psutil.CONN_LISTEN and c.laddr.port == int(url.rpartition(":")[2])]
        os.kill(broker, signal.SIGSTOP)
        try:
            lines = []
            for _ in range(64):
                body = body_of(purchase())
                line = socket.create_connection((LOOPBACK, ingest.port), timeout=20)
                head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nStripe-Signature: {signature(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
                line.sendall(head.encode() + body)
                lines.append(line)
            answers = [line.recv(2_000) for line in lines]
        finally:
            os.kill(broker, signal.SIGCONT)
            for line in lines:
                line.close()
        assert {answer[:12] for answer in answers} == {b"HTTP/1.1 503"}
        assert all(b"retry-after: " in answer.lower() for answer in answers)
        turned_away = [answer for answer in answers if b"content-length: 0" in answer]
        assert 20 <= len(turned_away) <= 40, "the others had waited for the broker"
        eventually(lambda: ingest.deliver(purchase()).status == 200, 20)


@pytest.mark.parametrize("service", ["account-gateway", "checkout", "entitlements", "webhook-ingest"])
def test_every_service_is_served_with_the_bound_from_its_settings(service: str) -> None:
    """`serve` takes no default for it. Every service is served by the kit's `serve_as`, which passes the setting on, and by nothing else."""
    main = (SERVICES / service / "src" / service.replace("-", "_") / "__main__.py").read_text()
    assert re.search(r"\bserve_as\([A-Z_]+, build, settings, ", main)
    assert not re.search(r"\bserve\(|\buvicorn\b", main)
    assert inspect.getsource(serve_as).count("max_connections=settings.http_max_connections,") == 1
