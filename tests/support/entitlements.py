"""The entitlements service as a process of its own, and what can be seen of it from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import nats
import nats.js.errors
import psycopg
from pydantic import SecretStr

from atlas_contracts.streams import BILLING, ENTITLEMENTS, PARKED, PROJECTOR_DURABLE, billing_subject
from atlas_kit.messaging.events import event_type_of
from atlas_kit.process.servers import servers_of
from atlas_kit.storage.database import Database
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support import identity
from support.facts import Told
from support.identity import READERS, identity_of
from support.stack import eventually

NOBODY_LISTENS = "http://127.0.0.1:9"
T = TypeVar("T")


@dataclass
class Service:
    """One replica; started by :meth:`start`, ended by kill -9 or in order."""

    nats_url: str
    dsn: str
    environ: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(default_factory=lambda: Path(tempfile.mkstemp(prefix="entitlements-", suffix=".log")[1]))

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, *, ready: bool = True) -> Service:
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "NATS_URL": self.nats_url,
            "DATABASE_URL": self.dsn,
            **identity_of("entitlements"),
            "INTERNAL_READERS": ",".join(READERS),
            "CHECKOUT_URL": NOBODY_LISTENS,
        } | self.environ
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "entitlements", "--port", str(self.port)],
                env=environ, stdout=sink, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if ready:
            self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        try:
            eventually(lambda: self.get("/readyz")[0] == 200, seconds=60, what="entitlements ready")
        except AssertionError as error:
            raise AssertionError(self.log.read_text()[-3000:]) from error

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def get(self, path: str, token: str | None = None, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer; 0 when nothing answered."""
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")
        except OSError:
            return 0, None

    def entitlement(self, user: str) -> dict[str, Any]:
        status, answer = self.get("/internal/entitlement", token(user))
        assert status == 200, (status, answer)
        return dict(answer)

    def overview(self, user: str) -> dict[str, Any]:
        status, answer = self.get("/internal/overview", token(user))
        assert status == 200, (status, answer)
        return dict(answer)

    def applied(self, told: Iterable[Told], timeout_ms: int = 15_000) -> bool:
        """Wait until all of these are folded."""
        body = {"eventIds": [one.data.event_id for one in told], "timeoutMs": timeout_ms}
        status, answer = self.get("/internal/applied", token("ada", issuer="checkout"), body)
        assert status == 200, (status, answer)
        return bool(answer["applied"])


def token(subject: str, issuer: str = "account-gateway", audience: str = "entitlements") -> str:
    return identity.token(issuer, audience, subject)


@contextlib.contextmanager
def running(nats_url: str, dsn: str, **environ: str) -> Iterator[Service]:
    service = Service(nats_url, dsn, environ).start()
    try:
        yield service
    finally:
        service.stop()
        service.log.unlink(missing_ok=True)


def on_broker(url: str, act: Callable[[nats.aio.client.Client], Awaitable[T]], inbox: str = "_INBOX") -> T:
    """Do something with a connection of our own."""

    async def run() -> T:
        connection = await nats.connect(servers_of(url), max_reconnect_attempts=3, inbox_prefix=inbox.encode())
        try:
            return await act(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def publish(url: str, told: Iterable[Told], message_ids: bool = True) -> None:
    """Publish billing events with the broker's word for each; without message ids the broker can't dedupe."""

    async def act(connection: nats.aio.client.Client) -> None:
        jetstream = connection.jetstream()
        sends = [
            jetstream.publish(
                billing_subject(event_type_of(one.data.event_id)),
                one.wire,
                stream=BILLING.name,
                timeout=10,
                headers={"Nats-Msg-Id": one.data.event_id} if message_ids else None,
            )
            for one in told
        ]
        for start in range(0, len(sends), 64):
            await asyncio.gather(*sends[start : start + 64])

    on_broker(url, act)


def publish_raw(url: str, payload: bytes, subject: str = "billing.v1.purchase_succeeded", **headers: str) -> None:
    async def act(connection: nats.aio.client.Client) -> None:
        await connection.jetstream().publish(subject, payload, stream=BILLING.name, headers=headers or None)

    on_broker(url, act)


def stored(url: str, stream: str, inbox: str = "_INBOX") -> list[tuple[str, dict[str, Any]]]:
    """Every message of a stream: message id and decoded CloudEvent."""

    async def act(connection: nats.aio.client.Client) -> list[tuple[str, dict[str, Any]]]:
        jetstream = connection.jetstream()
        state = (await jetstream.stream_info(stream)).state
        found = []
        for seq in range(max(state.first_seq, 1), state.last_seq + 1):
            message = await jetstream.get_msg(stream, seq)
            found.append(((message.headers or {}).get("Nats-Msg-Id", ""), json.loads(message.data or b"null")))
        return found

    return on_broker(url, act, inbox)


def announced(url: str, inbox: str = "_INBOX") -> list[tuple[str, dict[str, Any]]]:
    """What was said about entitlements, oldest first: which change (``user:version``), and the event."""
    said = stored(url, ENTITLEMENTS.name, inbox)
    assert len({message_id for message_id, _ in said}) == len(said)
    return [(change_of(message_id), event) for message_id, event in said]


def change_of(message_id: str) -> str:
    """``entitlement:ada:1:58089482`` → ``ada:1``: the id without its cause."""
    return message_id.removeprefix("entitlement:").rpartition(":")[0]


def parked(url: str) -> list[dict[str, Any]]:
    return [event["data"] for _, event in stored(url, PARKED.name)]


def unacknowledged(url: str) -> int:
    """Messages that the durable hasn't acknowledged yet."""

    async def act(connection: nats.aio.client.Client) -> int:
        info = await connection.jetstream().consumer_info(BILLING.name, PROJECTOR_DURABLE)
        return (info.num_ack_pending or 0) + (info.num_pending or 0)

    return on_broker(url, act)


def query(dsn: str, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(sql, parameters).fetchall()


@asynccontextmanager
async def migrated(dsn: str, *, pipelined_connections: int = 0) -> AsyncIterator[Database]:
    """The entitlements service's database, ready to be used."""
    database = Database(SecretStr(dsn), "entitlements", pipelined_connections=pipelined_connections)
    await database.start()
    try:
        await asyncio.wait_for(database.migrated.wait(), 30)
        yield database
    finally:
        await database.close()
