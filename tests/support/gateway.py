"""A real gateway for a test, in front of stand-ins that answer over real HTTP what the test tells them to."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from account_gateway.app import build
from account_gateway.entrypoints.live.stream import StreamTimes
from account_gateway.session.mint import mint_token
from account_gateway.settings import GatewaySettings
from atlas_contracts.callers import ENTITLEMENT
from atlas_contracts.many_reads import MANY_ENTITLEMENTS
from atlas_contracts.request_counts import REQUEST_COUNTS
from atlas_kit.process.settings import load
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.identity import identity_of

SESSION_SECRET = "h4-test-secret-not-for-production-0123456789"
COOKIE = "next-auth.session-token"
NOBODY_LISTENS = "http://127.0.0.1:9"
_numbers = itertools.count(1)


def new_user() -> str:
    """A user that no other test has used up the limits of."""
    return f"user_{next(_numbers)}_{time.time_ns()}"


def cookie_of(user_id: str, secret: str = SESSION_SECRET) -> dict[str, str]:
    """The header that signs a request in."""
    return {"cookie": f"{COOKIE}={mint_token(user_id, secret)}"}


def entitlement_view(user_id: str, **changes: Any) -> dict[str, Any]:
    """``GET /internal/entitlement`` of a user of whom nothing is known, with changes."""
    return {
        "userId": user_id,
        "isPro": False,
        "status": "none",
        "source": None,
        "activeFrom": None,
        "activeUntil": None,
        "version": 0,
        "reason": None,
        "updatedAt": None,
    } | changes


PRO = {
    "isPro": True,
    "status": "active",
    "source": "stripe",
    "activeFrom": "2026-11-23T10:00:00Z",
    "version": 1,
    "reason": "purchase",
    "updatedAt": "2026-11-23T10:00:01.250Z",
}


@dataclass
class Asked:
    """A request that a stand-in received."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class StandIn:
    """Another service: answers what it is told to, and remembers what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, Any, dict[str, str]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    counted: list[Asked] = field(default_factory=list)
    """Apart from the others: the gateway asks for a count before anything else on a limited route."""

    def answer(self, route: str, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """``route`` is ``METHOD /path``."""
        self.answers[route] = (status, body, headers or {})

    def error(self, route: str, status: int, code: str, message: str, recovery: str, **headers: str) -> None:
        body = {"ok": False, "error": {"code": code, "message": message, "recovery": recovery}}
        self.answer(route, body, status, headers)

    def reset(self) -> None:
        self.answers.clear()
        self.asked.clear()
        self.counted.clear()
        self.answer("GET /healthz", {"status": "ok"})

    async def __call__(self, request: Request) -> Response:
        raw = await request.body()
        body = json.loads(raw) if raw else None
        asked = self.counted if request.url.path == REQUEST_COUNTS else self.asked
        asked.append(Asked(request.method, request.url.path, dict(request.headers), body))
        status, answer, headers = self.answers.get(f"{request.method} {request.url.path}", (500, "?", {}))
        if request.url.path == MANY_ENTITLEMENTS:
            status, answer, headers = self.answers.get(f"GET {ENTITLEMENT}", (500, "?", {}))
            if status == 200:  # for whoever is asked about
                answer = {"entitlements": [{**answer, "userId": user} for user in body["userIds"]]}
        return Response(json.dumps(answer), status, headers, "application/json")


@contextlib.contextmanager
def served(app: Any, port: int | None = None) -> Iterator[str]:
    """``app`` behind a real HTTP server in a thread; gives its URL."""
    port = port or free_port()
    server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=port, log_config=None, server_header=False, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server does not start"
        time.sleep(0.01)
    try:
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@contextlib.contextmanager
def stand_in() -> Iterator[StandIn]:
    service = StandIn()
    service.reset()

    async def endpoint(request: Request) -> Response:
        return await service(request)

    methods = ["GET", "POST", "PUT", "DELETE"]
    with served(Starlette(routes=[Route("/{path:path}", endpoint, methods=methods)])) as url:
        service.url = url
        yield service


def gateway_environment(url: str, **changes: str) -> dict[str, str]:
    """Environment variables of a gateway at ``url``."""
    return {
        **identity_of("account-gateway"),
        "NATS_URL": "nats://127.0.0.1:9",
        "NEXTAUTH_URL": url,
        "NEXTAUTH_SECRET": SESSION_SECRET,
        "CHECKOUT_URL": NOBODY_LISTENS,
        "ENTITLEMENTS_URL": NOBODY_LISTENS,
    } | changes


@contextlib.contextmanager
def running_gateway(times: StreamTimes | None = None, **environment: str) -> Iterator[httpx.Client]:
    """A gateway, and a client of it that follows no redirect; ``client.base_url`` is its own origin."""
    port = free_port()
    settings = load(GatewaySettings, gateway_environment(f"http://{LOOPBACK}:{port}", **environment))
    gateway = build(settings, times)
    with served(gateway, port) as url, httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
        yield client
        gateway.on_exit()
