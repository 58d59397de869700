"""The checkout service as it runs: its own process (two replicas of it), real broker and databases, the real
entitlements service behind it, the sandbox as Stripe. No webhook is ever delivered here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import nats
import psycopg
import pytest
import stripe

from atlas_localstack.servers.ports import free_port
from support import docker, identity
from support.containers import container_nats
from support.embedded import embedded_nats
from support.servers import Postgres

STRIPE_KEY = "sk_test_checkout_suite"
PRICE = "price_pro_lifetime"
ORIGIN = "http://atlas.example:8000"


@dataclass
class Answer:
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def error(self) -> tuple[str, str, str]:
        told = self.body["error"]
        return told["code"], told["message"], told["recovery"]


@dataclass
class World:
    """Everything that runs, and how to talk to it."""

    sandbox: str
    checkout: str
    replica: str
    entitlements: str
    checkout_dsn: str
    entitlements_dsn: str
    nats: str
    environ: dict[str, str]
    logs: Path
    http: aiohttp.ClientSession = field(init=False)

    async def ask(
        self,
        method: str,
        path: str,
        user: str = "operator",
        body: Any = None,
        *,
        at: str | None = None,
        issuer: str = "account-gateway",
        audience: str = "checkout",
        token: str | None = None,
    ) -> Answer:
        bearer = token or identity.token(issuer, audience, user)
        headers = {"authorization": f"Bearer {bearer}"}
        async with self.http.request(method, (at or self.checkout) + path, json=body, headers=headers) as response:
            raw = await response.read()
            parsed = await response.json() if raw and "json" in response.content_type and "nd" not in response.content_type else {"raw": raw.decode()}
            return Answer(response.status, parsed, response.headers)

    async def open(self, user: str, source: str = "hero", **where: Any) -> Answer:
        return await self.ask("POST", "/internal/checkout-sessions", user, {"source": source}, **where)

    async def opened(self, user: str, source: str = "hero", **where: Any) -> str:
        """The id of the user's open session."""
        answer = await self.open(user, source, **where)
        assert answer.status == 200, answer
        return str(answer.body["checkoutSessionId"])

    async def restore(self, user: str, **where: Any) -> Answer:
        return await self.ask("POST", "/internal/restore", user, {"trigger": "account"}, **where)

    async def confirm(self, user: str, session: str, **where: Any) -> Answer:
        return await self.ask("POST", "/internal/confirm", user, {"checkoutSessionId": session}, **where)

    async def entitlement(self, user: str) -> dict[str, Any]:
        return (await self.ask("GET", "/internal/entitlement", user, at=self.entitlements, audience="entitlements")).body

    async def control(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        async with self.http.request(method, f"{self.sandbox}/_sandbox{path}", json=body) as response:
            assert response.status == 200, await response.text()
            return dict(await response.json())

    async def pay(self, session: str, outcome: str = "paid") -> None:
        await self.control("POST", f"/checkout/{session}/pay", {"outcome": outcome})

    async def requests(self, method: str, path: str, user: str | None = None) -> list[dict[str, Any]]:
        """What Stripe was asked, oldest first; for one user by the metadata sent."""
        rows = (await self.control("GET", "/requests"))["data"]
        wanted = [row for row in rows if row["method"] == method and row["path"] == path]
        return [row for row in wanted if user is None or row["params"].get("metadata", {}).get("userId") == user]

    async def stripe(self, method: str, path: str, **params: Any) -> dict[str, Any]:
        """Ask the sandbox's API itself, as another program with the same key."""
        client = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": self.sandbox}, http_client=stripe.AIOHTTPClient())
        answer = await client.raw_request_async(method, path, **params)
        await client._requestor._client.close_async()
        return dict(answer.data)

    async def sessions(self, user: str, **filters: Any) -> list[dict[str, Any]]:
        rows = (await self.stripe("get", "/v1/checkout/sessions", limit=100, **filters))["data"]
        return [row for row in rows if row["metadata"].get("userId") == user]

    async def session(self, session_id: str) -> dict[str, Any]:
        return await self.stripe("get", f"/v1/checkout/sessions/{session_id}")

    async def later(self) -> None:
        """Let Stripe's clock reach its next second: what is read within one second counts as one moment."""
        await asyncio.sleep(1.01 - time.time() % 1)

    async def empty_outbox(self) -> None:
        async with asyncio.timeout(10):
            while self.rows("SELECT count(*) FROM outbox")[0][0]:
                await asyncio.sleep(0.05)

    async def billing_events(self) -> list[dict[str, Any]]:
        """What the ledger hears of, once the outbox is empty."""
        await self.empty_outbox()
        connection = await nats.connect(self.nats)
        try:
            jetstream = connection.jetstream()
            last = (await jetstream.stream_info("BILLING")).state.last_seq
            return [json.loads((await jetstream.get_msg("BILLING", seq)).data or b"") for seq in range(1, last + 1)]
        finally:
            await connection.close()

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.checkout_dsn) as connection:
            return connection.execute(query, parameters).fetchall()

    def change(self, query: str, *parameters: Any) -> None:
        with psycopg.connect(self.checkout_dsn) as connection:
            connection.execute(query, parameters)

    def start_another(
        self, name: str, *, ready: str = "/readyz", **environ: str
    ) -> contextlib.AbstractContextManager[Service]:
        """One more checkout process on the same database, configured differently."""
        return service("checkout", {**self.environ, **environ}, self.logs / f"{name}.log", ready=ready)


class Service(str):
    """A running service: its URL."""

    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def service(package: str, environ: Mapping[str, str], log: Path, *, ready: str = "/readyz") -> Iterator[Service]:
    """``python -m package`` on a free port, stopped in the end; gives its URL once it is ready, and its process."""
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", package, "--port", str(port)], env={**kept, **environ}, stdout=sink, stderr=sink
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url + ready, process, log)
        started = Service(url)
        started.process = process
        yield started
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError):
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        assert process.poll() is None, f"exited with {process.returncode}:\n{log.read_text()[-3000:]}"
        time.sleep(0.05)
    raise AssertionError(f"not ready in {seconds} s:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def _world(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    logs = tmp_path_factory.mktemp("checkout")
    with contextlib.ExitStack() as running:
        broker = running.enter_context(container_nats() if docker.wanted() else embedded_nats())
        sandbox = running.enter_context(
            service(
                "stripe_sandbox",
                {"SANDBOX_SECRET_KEY": STRIPE_KEY, "SANDBOX_PRICE_ID": PRICE},
                logs / "sandbox.log",
                ready="/_sandbox/api",
            )
        )
        dsn, entitlements_dsn = postgres.create_database(), postgres.create_database()
        common = {"NATS_URL": broker, "DATABASE_POOL_SIZE": "5"}
        entitlements = running.enter_context(
            service(
                "entitlements", {**common, **identity.identity_of("entitlements"), "DATABASE_URL": entitlements_dsn}, logs / "entitlements.log"
            )
        )
        ingest = running.enter_context(
            service(
                "webhook_ingest",
                {
                    **common,
                    **identity.identity_of("webhook-ingest"),
                    "STRIPE_SECRET_KEY": STRIPE_KEY,
                    "STRIPE_API_BASE": sandbox,
                    "STRIPE_WEBHOOK_SECRET": "whsec_checkout_suite",
                    "BILLING_PULL_INTERVAL_SECONDS": "0",
                    "ENTITLEMENTS_URL": entitlements,
                },
                logs / "ingest.log",
            )
        )
        environ = {
            **common,
            "WEBHOOK_INGEST_URL": ingest,
            **identity.identity_of("checkout"),
            "DATABASE_URL": dsn,
            "STRIPE_SECRET_KEY": STRIPE_KEY,
            "STRIPE_API_BASE": sandbox,
            "STRIPE_PRICE_PRO_LIFETIME": PRICE,
            "NEXTAUTH_URL": ORIGIN,
            "ENTITLEMENTS_URL": entitlements,
        }
        checkout = running.enter_context(service("checkout", environ, logs / "checkout.log"))
        replica = running.enter_context(service("checkout", environ, logs / "replica.log"))
        yield World(sandbox, checkout, replica, entitlements, dsn, entitlements_dsn, broker, environ, logs)


@pytest.fixture
async def world(_world: World) -> AsyncIterator[World]:
    async with aiohttp.ClientSession() as _world.http:
        await _world.control("PUT", "/api", {})
        await _world.control("DELETE", "/requests")
        yield _world
        await _world.control("PUT", "/api", {})


@pytest.fixture
def user() -> str:
    """A user nobody has seen yet."""
    return f"user_{secrets.token_hex(6)}"
