"""Group commit: events that arrive together are stored together, with one sync of the broker's disk for all of them.

No event waits for others to arrive: up to :data:`SMALLEST_BATCH` events are sent at once as single messages. What
arrives while those are not yet confirmed is collected; when enough has been collected, it is sent as one JetStream
atomic batch (ADR-50, nats-server 2.12). Either way each caller is answered for its own event, once it is durable:

- an atomic batch is stored whole or not at all; the broker refuses a batch with a duplicate in it, and each of its
  events is then sent by itself and gets its own answer;
- two callers with the same message id at the same time cause one message: the second caller gets ``duplicate`` once the
  message is durable, as the broker would answer;
- no answer in time raises BrokerUnavailable: the event may be stored; publishing again with the same id is safe.

Figures: docs/decisions/0004-group-commit.md.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import nats.errors

from atlas_contracts.streams import StreamSpec
from atlas_kit.messaging.broker import (
    PUBLISH_SECONDS,
    Broker,
    BrokerUnavailable,
    Stored,
    count_published,
)
from atlas_kit.messaging.headers import batch_headers, message_headers
from atlas_kit.process.logs import get_logger
from atlas_kit.tracing.messages import name_publishing

log = get_logger()

SMALLEST_BATCH = 12
"""Events. A smaller batch costs more syncs than it saves: about seven, because the broker stages a batch separately."""
LARGEST_BATCH = 200
"""Events. The broker accepts 1,000; with smaller batches the first event waits less."""
MOST_WAITING = 4_096
"""Events waiting to be sent, more than a second's work. Beyond this a caller is refused at once."""
MOST_REDELIVERIES = 64
"""Upper bound of the count of recent duplicates: at most so many new events are sent singly after the last duplicate
before batches are tried again. A batch with a duplicate would be refused."""
SHORTEST_SECONDS = 0.05
"""Shortest wait for the answer to a batch, also when its oldest event has less time left."""
NOT_ENABLED = 10174
"""JetStream's error code for a stream that doesn't accept atomic batches."""


@dataclass(slots=True, eq=False)
class _Waiting:
    subject: str
    payload: bytes
    message_id: str
    headers: bytes
    deadline: float
    done: asyncio.Future[Stored]
    followers: list[asyncio.Future[Stored]] = field(default_factory=list)


class GroupCommit:
    """Publishes to one stream for many callers at once."""

    def __init__(self, broker: Broker, stream: StreamSpec, *, seconds: float = PUBLISH_SECONDS) -> None:
        self._broker, self._stream, self._seconds = broker, stream, seconds
        self._waiting: deque[_Waiting] = deque()
        self._known: dict[str, _Waiting] = {}
        self._in_flight = 0
        self._sends_soon = False
        self._batches = True
        self._redeliveries = 0
        """Grows by one with each duplicate, falls by one with each new event; above zero no batches are sent."""

    async def publish(self, subject: str, payload: bytes, message_id: str) -> Stored:
        """Store an event durably. Raises BrokerUnavailable: at once if there is no connection or too many events wait,
        else if the broker doesn't answer in time.
        """
        _ = self._broker.client
        name_publishing(subject, message_id)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Stored] = loop.create_future()
        leader = self._known.get(message_id)
        if leader:
            leader.followers.append(future)
            return await future
        if len(self._waiting) >= MOST_WAITING:
            raise BrokerUnavailable
        headers = message_headers(message_id, self._stream)
        waiting = _Waiting(subject, payload, message_id, headers, loop.time() + self._seconds, future)
        self._known[message_id] = waiting
        self._waiting.append(waiting)
        self._send()
        return await future

    def _send(self) -> None:
        """Send waiting events while fewer than ``SMALLEST_BATCH`` sent events are unconfirmed."""
        self._sends_soon = False
        while self._waiting and self._in_flight < SMALLEST_BATCH:
            if self._batches and not self._redeliveries and len(self._waiting) >= SMALLEST_BATCH:
                self._send_batch([self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_BATCH))])
            else:
                self._send_one(self._waiting.popleft())

    def _send_soon(self) -> None:
        """Send at the end of this turn, so that all answers that came in it have made room, and batches are larger."""
        if self._waiting and not self._sends_soon:
            self._sends_soon = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send_one(self, waiting: _Waiting) -> None:
        asked_at = time.monotonic()

        def heard(answer: bytes | None) -> None:
            self._in_flight -= 1
            self._heard_one(waiting, answer, asked_at)
            self._send_soon()

        try:
            message = waiting.subject, waiting.headers, waiting.payload
            self._broker.client.ask([message], heard, until=waiting.deadline)
        except (BrokerUnavailable, nats.errors.Error, OSError, ValueError) as error:
            self._not_confirmed([waiting], error)
        else:
            self._in_flight += 1

    def _heard_one(self, waiting: _Waiting, answer: bytes | None, asked_at: float) -> None:
        try:
            stored = self._broker.stored(waiting.subject, answer, asked_at)
        except BrokerUnavailable as error:
            self._not_confirmed([waiting], error)
            return
        change = 1 if stored.duplicate else -1
        self._redeliveries = max(0, min(self._redeliveries + change, MOST_REDELIVERIES))
        self._settle(waiting, stored)

    def _send_batch(self, group: Sequence[_Waiting]) -> None:
        """Send a batch. Its answer says that all of it is stored, or has an error, and then none of it is; without an
        answer it may be stored.
        """
        asked_at = time.monotonic()

        def heard(answer: bytes | None) -> None:
            self._in_flight -= len(group)
            self._heard_batch(group, answer, asked_at)
            self._send_soon()

        batch_id = secrets.token_hex(16)
        messages = [
            (one.subject, one.headers + batch_headers(batch_id, number, last=number == len(group)), one.payload)
            for number, one in enumerate(group, 1)
        ]
        until = max(group[0].deadline, asyncio.get_running_loop().time() + SHORTEST_SECONDS)
        try:
            self._broker.client.ask(messages, heard, until=until)
        except (BrokerUnavailable, nats.errors.Error, OSError, ValueError) as error:
            self._not_confirmed(group, error)
        else:
            self._in_flight += len(group)

    def _heard_batch(self, group: Sequence[_Waiting], answer: bytes | None, asked_at: float) -> None:
        try:
            told = self._broker.told(answer, asked_at)
            first = 0 if "error" in told else int(told["seq"]) - len(group) + 1
        except (BrokerUnavailable, ValueError, LookupError) as error:
            self._not_confirmed(group, error)
            return
        if first:
            self._broker.note_stored()
            for number, waiting in enumerate(group):
                self._settle(waiting, Stored(first + number, duplicate=False))
            return
        refused = told["error"]
        if isinstance(refused, dict) and refused.get("err_code") == NOT_ENABLED:
            self._batches = False
            log.warning("broker.no_atomic_batches", stream=self._stream.name)
        for waiting in group:
            self._send_one(waiting)

    def _not_confirmed(self, group: Sequence[_Waiting], error: Exception) -> None:
        log.warning("broker.not_confirmed", events=len(group), error=type(error).__name__)
        for waiting in group:
            self._settle(waiting, None)

    def _settle(self, waiting: _Waiting, stored: Stored | None) -> None:
        """Answer the caller and all callers with the same id, once; a later call with this id is sent again."""
        if self._known.get(waiting.message_id) is not waiting:
            return
        del self._known[waiting.message_id]
        if stored:
            count_published(waiting.subject, stored)
        for future in (waiting.done, *waiting.followers):
            if future.done():  # its caller was cancelled
                continue
            if stored is None:
                future.set_exception(BrokerUnavailable())
            else:
                future.set_result(stored)
                stored = Stored(stored.sequence, duplicate=True)
