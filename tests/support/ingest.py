"""A running webhook-ingest over a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import nats
import nats.js.errors
import psutil
from nats.aio.client import Client

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_contracts.issuers import OPERATOR
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support import identity
from support.stripe_events import SECRET, body_of, signature

PATH = "/api/billing/stripe/webhook"
START_SECONDS = 60
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Ingest:
    """The service's address, its log and its broker."""

    port: int
    nats_url: str
    log: Path
    process: psutil.Process

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, seconds: float = 30
    ) -> Answer:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=seconds)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, body: bytes, header: str | None = None, **headers: str) -> Answer:
        """A webhook delivery, signed unless `header` says otherwise."""
        signed = {"Stripe-Signature": signature(body) if header is None else header}
        return self.request("POST", PATH, body, {"Content-Type": "application/json", **signed, **headers})

    def deliver(self, event: Any) -> Answer:
        return self.post(body_of(event))

    def operator(self, method: str, path: str, body: Any = None, issuer: str = OPERATOR) -> Answer:
        token = identity.token(issuer, INGEST_SERVICE, "operator")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return self.request(method, path, None if body is None else body_of(body), headers)

    def stored(self, stream: str = "BILLING") -> list[dict[str, Any]]:
        """Every event of a stream, oldest first."""
        return [json.loads(data) for data, _ in self.messages(stream)]

    def messages(self, stream: str = "BILLING") -> list[tuple[bytes, dict[str, str]]]:
        """Every message of a stream with its headers."""

        async def read(client: Client) -> list[tuple[bytes, dict[str, str]]]:
            jetstream = client.jetstream()
            found = []
            last = (await jetstream.stream_info(stream)).state.last_seq
            for sequence in range(1, last + 1):
                message = await jetstream.get_msg(stream, sequence)
                found.append((message.data or b"", dict(message.headers or {})))
            return found

        return self.ask(read)

    def ask(self, question: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        async def asked() -> T:
            client = await nats.connect(self.nats_url)
            try:
                return await question(client)
            finally:
                await client.close()

        return asyncio.run(asked())

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [line for line in map(_parsed, lines) if line.get("event") == event]

    def metric(self, name: str) -> float:
        lines = self.request("GET", "/metrics").body.decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def _parsed(line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def environment(nats_url: str, **changes: str) -> dict[str, str]:
    """Everything the service needs, and nothing of the shell's."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "NATS_URL": nats_url,
        "STRIPE_SECRET_KEY": "sk_test_ingest",
        "STRIPE_API_BASE": f"http://{LOOPBACK}:9",
        "STRIPE_WEBHOOK_SECRET": SECRET,
        **identity.identity_of(INGEST_SERVICE),
        "BILLING_PULL_INTERVAL_SECONDS": "0",
        **changes,
    }


def eventually(condition: Callable[[], T], seconds: float = 45) -> T:
    """The first true value of `condition`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "this did not come true in time"
        time.sleep(0.02)
    return value


@contextlib.contextmanager
def running_ingest(nats_url: str, *, wait: bool = True, **changes: str) -> Iterator[Ingest]:
    """The service as a process of its own; ready, unless `wait` is false."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="atlas-ingest-") as home:
        log = Path(home) / "log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "webhook_ingest", "--port", str(port)],
                env=environment(nats_url, **changes),
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        ingest = Ingest(port, nats_url, log, psutil.Process(process.pid))

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(OSError):
                return ingest.request("GET", "/readyz" if wait else "/healthz").status == 200
            return False

        try:
            eventually(answers, START_SECONDS)
            yield ingest
        finally:
            process.terminate()
            process.wait(20)
