"""Fresh Stripe accounts for tests: the sandbox's application in this process, one for each, and ways to lose the line."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import stripe
import uvicorn

from atlas_localstack.servers.ports import LOOPBACK, free_port
from stripe_sandbox.app import create_app
from stripe_sandbox.operation import World
from stripe_sandbox.settings import load

KEY = "sk_test_a_fresh_account"


@dataclass
class FreshAccount:
    """An account in which nothing of Atlas's is there but the sandbox's own price."""

    url: str
    world: World | None = None
    """What the sandbox remembers, for a look behind its API."""
    offset: float = 0.0
    """Seconds by which its clock is ahead: a day later, Stripe has forgotten its idempotency keys."""
    key: str = KEY
    client: stripe.StripeClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = stripe.StripeClient(self.key, base_addresses={"api": self.url}, max_network_retries=0)

    def clock(self) -> float:
        return time.time() + self.offset

    def control(self, method: str, path: str, body: Any = None) -> Any:
        import httpx

        answer = httpx.request(method, f"{self.url}/_sandbox{path}", json=body, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def prices(self) -> list[Any]:
        return self.client.v1.prices.list({"lookup_keys": ["atlas_pro_lifetime"]}).data

    def products(self) -> list[Any]:
        return [each for each in self.client.v1.products.list({"limit": 100}).data if each.metadata.to_dict().get("atlas")]

    def endpoints(self) -> list[Any]:
        return self.client.v1.webhook_endpoints.list({"limit": 100}).data

    def configurations(self) -> list[Any]:
        return self.client.v1.billing_portal.configurations.list({"limit": 100}).data

    def signs_with(self, endpoint: str) -> str:
        """The secret of an endpoint, which the API tells only once."""
        assert self.world is not None
        secret: str = self.world.store.get("private", endpoint)["secrets"][0]
        return secret

    def posts(self) -> list[str]:
        rows = self.control("GET", "/requests")["data"]
        return [row["path"] for row in rows if row["method"] != "GET" and row["status"] == 200]


@contextlib.contextmanager
def fresh_account(key: str = KEY) -> Iterator[FreshAccount]:
    port = free_port()
    account = FreshAccount(f"http://{LOOPBACK}:{port}", key=key)
    settings = load({"SANDBOX_SECRET_KEY": key, "SANDBOX_PRICE_ID": "price_sandbox"}, LOOPBACK, port)
    worlds: list[World] = []

    def world(*parts: Any) -> World:
        worlds.append(World(*parts))
        return worlds[-1]

    with patch("stripe_sandbox.app.World", world):
        app = create_app(settings, clock=account.clock)
    [account.world] = worlds
    server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=port, log_level="error", date_header=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the sandbox does not start"
        time.sleep(0.005)
    try:
        yield account
    finally:
        server.should_exit = True
        thread.join(20)


@dataclass
class Line:
    """The way to an account, which can break: ``dies_at`` counts requests from 1; ``after``: Stripe had done it."""

    target: str
    url: str = ""
    dies_at: int = 0
    after: bool = False
    stays_dead: bool = True
    count: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()

    def is_lost(self) -> bool:
        with self.lock:
            self.count += 1
            return bool(self.dies_at) and (self.count >= self.dies_at if self.stays_dead else self.count == self.dies_at)

    @property
    def first(self) -> bool:
        return self.count == self.dies_at


@contextlib.contextmanager
def line_to(target: str) -> Iterator[Line]:
    """A relay on the way, whose connections end without an answer where the line is told to die."""
    line = Line(target)

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            lost = line.is_lost()
            if lost and not (line.after and line.first):
                self._hang_up()
                return
            parts = urlsplit(line.target)
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            payload = answer.read()
            connection.close()
            if lost:
                self._hang_up()
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"content-length", "transfer-encoding", "server", "date", "connection"}:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def _hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer((LOOPBACK, 0), Relay)
    server.daemon_threads = True
    line.url = f"http://{LOOPBACK}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
