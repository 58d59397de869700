"""The connection to the broker: one per process. It reconnects for ever; until then publishing raises an error.

A message that the broker has acknowledged is durable: streams are stored in files, with one replica on a server with
``sync_interval: always``, or with three replicas.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from prometheus_client import Counter
from pydantic import SecretStr

from atlas_contracts.streams import StreamSpec
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.asking import AskingClient
from atlas_kit.messaging.declaring import declare_stream
from atlas_kit.messaging.headers import answer_read, message_headers
from atlas_kit.messaging.trust import Trust
from atlas_kit.process import context
from atlas_kit.process.logs import get_logger
from atlas_kit.process.metrics import EVENTS_PUBLISHED, NOT_STORED
from atlas_kit.process.servers import servers_of
from atlas_kit.tracing.messages import sending

log = get_logger()

PING_SECONDS = 2
UNANSWERED_PINGS = 2
"""Pause between two pings, and how many may be without an answer: after six seconds a node that hangs, or to which the
network is cut, is left for another one.
"""
CONNECT_SECONDS = 2
RETRY_SECONDS = 1.0
"""Pause before the next try to connect for the first time."""
SAME_ERROR_SECONDS = 30.0
"""The same error is logged at most once in this time."""
CHECK_SECONDS = 1.5
"""How long readiness waits for the broker's answer about a stream; whoever asks waits a little longer."""
PUBLISH_SECONDS = 5.0
"""How long to wait for the broker's answer that an event is stored. Stripe waits at least 10 s for a webhook."""


class BrokerUnavailable(Unavailable):
    """The broker did not confirm in time. The event may or may not be stored: publish it again with the same id."""


class NobodyStores(BrokerUnavailable):
    """No stream takes messages of this subject: the stream was deleted, or has no leader right now."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The broker's answer that an event is durable: its sequence in the stream, and whether it was stored before."""

    sequence: int
    duplicate: bool


def told_ids(headers: Mapping[str, str], request_id: str | None = None, traceparent: str | None = None) -> context.Ids:
    """The ids of the request that a message belongs to: from its headers, else the given ones, else new ones."""
    return context.Ids(
        context.accept_request_id(headers.get("x-request-id"), request_id),
        context.accept_traceparent(headers.get("traceparent"), traceparent),
    )


def count_published(subject: str, stored: Stored) -> None:
    _published(subject, stored.duplicate).inc()


@lru_cache(maxsize=256)
def _published(subject: str, duplicate: bool) -> Counter:
    """The metric for these labels, cached because looking it up takes longer than counting."""
    return EVENTS_PUBLISHED.labels(subject, "true" if duplicate else "false")


class Broker:
    """One NATS connection with JetStream. ``start()`` returns at once; ``check()`` tells whether it is connected."""

    def __init__(
        self,
        url: SecretStr,
        name: str,
        *,
        inbox_prefix: str = "_INBOX",
        streams: Sequence[StreamSpec] = (),
        replicas: int = 1,
    ) -> None:
        self._url, self._name, self.inbox_prefix = url, name, inbox_prefix
        self._streams, self._replicas = streams, replicas
        self._client: AskingClient | None = None
        self._publishing, self._checking = Trust(), Trust()
        self._leaving: set[asyncio.Task[None]] = set()
        self._starting: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        """Set once the first connection was made and the streams exist."""

    async def start(self) -> None:
        self._starting = asyncio.create_task(self._connect_until_up(), name="broker-connect")

    async def close(self) -> None:
        """Send what is still buffered, then disconnect."""
        if self._starting:
            self._starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._starting
        if self._client and self._client.is_connected:
            with contextlib.suppress(nats.errors.Error, TimeoutError):
                await self._client.drain()
        elif self._client:
            await self._client.close()

    @property
    def client(self) -> AskingClient:
        """The live client. Raises BrokerUnavailable while there is no connection."""
        if self._client is None or not self._client.is_connected:
            raise BrokerUnavailable
        return self._client

    @property
    def connection(self) -> Client:
        """The process's one client, whether connected right now or not: its subscriptions survive reconnects.

        Raises BrokerUnavailable before the first connection.
        """
        if self._client is None:
            raise BrokerUnavailable
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        return self.client.jetstream()

    async def publish(
        self, subject: str, payload: bytes, message_id: str, *, stream: StreamSpec, seconds: float = PUBLISH_SECONDS
    ) -> Stored:
        """Store an event durably. Raises BrokerUnavailable when the broker doesn't confirm it within ``seconds``.

        The event may be stored all the same; publishing it again with the same id is safe.
        """
        asked_at = time.monotonic()
        with sending(subject, message_id):
            answer = await self._asked(subject, payload, message_id, stream, seconds)
            stored = self.stored(subject, answer, asked_at)
        count_published(subject, stored)
        return stored

    async def _asked(
        self, subject: str, payload: bytes, message_id: str, stream: StreamSpec, seconds: float
    ) -> bytes | None:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes | None] = loop.create_future()

        def heard(answer: bytes | None) -> None:
            if not answered.done():  # else its caller was cancelled
                answered.set_result(answer)

        try:
            message = subject, message_headers(message_id, stream), payload
            self.client.ask([message], heard, until=loop.time() + seconds)
        except (nats.errors.Error, OSError, ValueError) as error:
            raise BrokerUnavailable from error
        return await answered

    def stored(self, subject: str, answer: bytes | None, asked_at: float) -> Stored:
        """What the broker's answer to one event says, asked at this time (monotonic). Raises BrokerUnavailable."""
        return self.as_stored(subject, self.told(answer, asked_at))

    def as_stored(self, subject: str, told: Mapping[str, Any]) -> Stored:
        """The same for an answer that is read already. Raises BrokerUnavailable."""
        if "seq" not in told or "error" in told:
            log.warning("broker.refused", subject=subject, error=told.get("error"))
            NOT_STORED.labels("broker").inc()
            raise BrokerUnavailable
        stored = Stored(told["seq"], bool(told.get("duplicate")))
        if not stored.duplicate:
            self.note_stored()
        return stored

    def note_stored(self) -> None:
        """Something new was stored. A duplicate tells nothing: a node without a majority answers it from memory."""
        self._publishing.done()

    def told(self, answer: bytes | None, asked_at: float) -> Mapping[str, Any]:
        """The broker's answer to a publish, read; None: it did not come in time. Raises BrokerUnavailable, as
        NobodyStores where the answer is that nobody listens.

        A publish that is not confirmed in time though the connection stands is counted: so a full disk shows itself. A
        node that confirms nothing any more is left for another one.
        """
        try:
            return answer_read(answer or b"")
        except ValueError as error:
            if self._client and self._client.is_connected:
                if answer is None:
                    NOT_STORED.labels("broker").inc()
                leaving = asyncio.get_running_loop().create_task(self._leave_if_deaf(self._publishing, asked_at))
                self._leaving.add(leaving)
                leaving.add_done_callback(self._leaving.discard)
            if answer == b"":
                raise NobodyStores from error
            raise BrokerUnavailable from error

    async def _leave_if_deaf(self, trust: Trust, asked_at: float) -> None:
        """Connect to another node, where there is one, if this one has been asked in vain for long enough."""
        node = self._client.connected_url if self._client else None
        if self._client and node and trust.not_done(asked_at) and len(servers_of(self._url.get_secret_value())) > 1:
            log.warning("broker.left", node=f"{node.hostname}:{node.port}")
            await self._client.force_reconnect()

    async def check(self) -> None:
        """Readiness: connected, and the broker answers for each of our streams with events. Raises BrokerUnavailable
        or nats errors.

        A bucket isn't among them: it is a copy, which the service itself makes anew. A node without answers is left.
        """
        if not self.connected.is_set():
            raise BrokerUnavailable
        asked_at = time.monotonic()
        try:
            for stream in self._streams:
                if not stream.is_bucket:
                    await self.client.jetstream(timeout=CHECK_SECONDS).stream_info(stream.name)
        except nats.js.errors.NotFoundError:
            raise  # an answer
        except (nats.errors.Error, TimeoutError):
            await self._leave_if_deaf(self._checking, asked_at)
            raise
        self._checking.done()

    async def keeps_for(self, stream: StreamSpec) -> timedelta | None:
        """How long the stream that exists keeps a message; None: for ever. Raises BrokerUnavailable."""
        try:
            age = (await self.jetstream.stream_info(stream.name)).config.max_age
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise BrokerUnavailable from error
        return timedelta(seconds=age) if age else None

    async def _connect_until_up(self) -> None:
        while True:
            asked_at = time.monotonic()
            try:
                if self._client is None:
                    self._client = await self._connect()
                for stream in self._streams:
                    await declare_stream(self._client.jetstream(), stream, self._replicas)
            except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
                log.warning("broker.not_available", error=type(error).__name__)
                await self._leave_if_deaf(self._checking, asked_at)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.connected.set()
                return

    async def _connect(self) -> AskingClient:
        told: dict[str, float] = {}

        async def on_error(error: Exception) -> None:
            """Log each error at most once in ``SAME_ERROR_SECONDS``: while the broker is away, attempts fail alike."""
            kind, detail, now = type(error).__name__, str(error)[:200], time.monotonic()
            if now - told.get(detail, -SAME_ERROR_SECONDS) >= SAME_ERROR_SECONDS:
                told[detail] = now
                log.warning("broker.error", error=kind, detail=detail)

        async def on_disconnect() -> None:
            log.warning("broker.disconnected")

        async def on_reconnect() -> None:
            log.info("broker.reconnected")

        client = AskingClient()
        await client.connect(
            servers_of(self._url.get_secret_value()),
            name=self._name,
            inbox_prefix=self.inbox_prefix.encode(),
            connect_timeout=CONNECT_SECONDS,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,  # type: ignore[arg-type]  # it is slept, so a fraction will do
            ping_interval=PING_SECONDS,
            max_outstanding_pings=UNANSWERED_PINGS,
            error_cb=on_error,
            disconnected_cb=on_disconnect,
            reconnected_cb=on_reconnect,
        )
        await client.hear_answers()
        return client
