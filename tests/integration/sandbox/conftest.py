"""A real sandbox process, the official SDK, and a real server that receives webhooks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe

KEY, PRICE, SECRET = "sk_test_atlas_sandbox", "price_1AtlasProLifetime", "whsec_configured"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check: Callable[[], Any], seconds: float = 10) -> Any:
    """Poll until ``check`` gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Takes webhooks, remembers them, and answers what it is told."""

    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    busy_seconds: float = 0
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""

    def of(self, *types: str) -> list[Received]:
        return [each for each in list(self.received) if not types or each.event["type"] in types]

    def types(self) -> list[str]:
        return [each.event["type"] for each in list(self.received)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                found.at_once += 1
                found.most_at_once = max(found.most_at_once, found.at_once)
                found.received.append(Received({k.lower(): v for k, v in self.headers.items()}, body, time.time()))
                status = found.answers.pop(0) if found.answers else 200
            time.sleep(found.busy_seconds)
            with lock:
                found.at_once -= 1
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", found.url)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Sandbox:
    url: str
    process: subprocess.Popen[bytes]

    def http(self, method: str, path: str, body: Any = None, seconds: float = 10) -> tuple[int, Any]:
        """A call to the control surface; status and answer."""
        data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def control(self, method: str, path: str, body: Any = None, seconds: float = 10) -> Any:
        status, answer = self.http(method, "/_sandbox" + path, body, seconds)
        assert status == 200, answer
        return answer

    def pay(self, session: str, outcome: str = "paid") -> Any:
        return self.control("POST", f"/checkout/{session}/pay", {"outcome": outcome})

    def client(self, key: str = KEY, **options: Any) -> stripe.StripeClient:
        return stripe.StripeClient(key, base_addresses={"api": self.url}, max_network_retries=0, **options)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(*arguments: str, port: int | None = None, **environment: str) -> Sandbox:
    """Start a sandbox and wait until it answers."""
    port = port or free_port()
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "SANDBOX_SECRET_KEY": KEY,
        "SANDBOX_PRICE_ID": PRICE,
        **environment,
    }
    command = [sys.executable, "-m", "stripe_sandbox", "--port", str(port), *arguments]
    sandbox = Sandbox(f"http://127.0.0.1:{port}", subprocess.Popen(command, env=variables))

    def answers() -> bool:
        try:
            return sandbox.http("GET", "/healthz")[0] == 200
        except OSError:
            assert sandbox.process.poll() is None, "the sandbox died at start"
            return False

    eventually(answers, 20)
    return sandbox


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The shared sandbox, behaving itself before and after."""
    yield shared_sandbox
    shared_sandbox.control("PUT", "/api", {})
    shared_sandbox.control("PUT", "/delivery", {})
    shared_sandbox.control("DELETE", "/requests")


@pytest.fixture
def client(sandbox: Sandbox) -> stripe.StripeClient:
    return sandbox.client()


@dataclass
class Endpoint:
    id: str
    secret: str


@pytest.fixture
def endpoint(client: stripe.StripeClient, receiver: Receiver) -> Iterator[Endpoint]:
    """A webhook endpoint of the test's own, for all events."""
    made = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    yield Endpoint(made.id, made.secret)
    client.v1.webhook_endpoints.delete(made.id)


def params(**more: Any) -> dict[str, Any]:
    """What our checkout service would send."""
    return {
        "mode": "payment",
        "line_items": [{"price": PRICE, "quantity": 1}],
        "success_url": "http://shop.test/account?checkout=success&checkout_session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://shop.test/account?checkout=cancel",
        **more,
    }


@pytest.fixture
def new_session(client: stripe.StripeClient) -> Callable[..., stripe.checkout.Session]:
    return lambda **more: client.v1.checkout.sessions.create(params(**more))


@pytest.fixture
def paid(sandbox: Sandbox, client: stripe.StripeClient, new_session: Callable[..., Any]) -> Callable[..., Any]:
    """A paid session with its charge expanded."""

    def buy(**more: Any) -> Any:
        session = new_session(**more)
        sandbox.pay(session.id)
        return client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})

    return buy


@pytest.fixture
def state_directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def start_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes that the test stops, or that are stopped for it."""
    started: list[Sandbox] = []

    def run(*arguments: str, **options: Any) -> Sandbox:
        started.append(start(*arguments, **options))
        return started[-1]

    yield run
    for each in started:
        each.stop()


@pytest.fixture(scope="module")
def lived() -> Iterator[Any]:
    """The calls and answers of a full life in a sandbox of its own."""
    from .life import play  # these three need this module
    from .rare import play_rare
    from .raw import Raw

    sandbox = start()
    raw = Raw(sandbox.url)
    play(sandbox, raw)
    play_rare(sandbox, raw)
    yield raw
    sandbox.stop()
