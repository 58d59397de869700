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
import json
import secrets
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import nats.errors
from nats.aio.client import Client

from atlas_contracts.streams import StreamSpec
from atlas_kit.messaging.broker import (
    PUBLISH_SECONDS,
    Broker,
    BrokerUnavailable,
    Stored,
    count_published,
    message_headers,
)
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
    headers: dict[str, str]
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
        self._flights: set[asyncio.Task[None]] = set()
        self._batches = True
        self._redeliveries = 0
        """Grows by one with each duplicate, falls by one with each new event; above zero no batches are sent."""

    async def publish(self, subject: str, payload: bytes, message_id: str) -> Stored:
        """Store an event durably. Raises BrokerUnavailable: at once if there is no connection or too many events wait,
        else if the broker doesn't answer in time.
        """
        _ = self._broker.client
        name_publishing(subject, message_id)
        future: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        leader = self._known.get(message_id)
        if leader:
            leader.followers.append(future)
            return await future
        if len(self._waiting) >= MOST_WAITING:
            raise BrokerUnavailable
        headers = message_headers(message_id, self._stream)
        waiting = _Waiting(subject, payload, message_id, headers, time.monotonic() + self._seconds, future)
        self._known[message_id] = waiting
        self._waiting.append(waiting)
        self._send()
        return await future

    def _send(self) -> None:
        """Send waiting events while fewer than ``SMALLEST_BATCH`` sent events are unconfirmed."""
        while self._waiting and self._in_flight < SMALLEST_BATCH:
            if self._batches and not self._redeliveries and len(self._waiting) >= SMALLEST_BATCH:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_BATCH))]
                self._let_go(self._store_batch(group), len(group))
            else:
                self._let_go(self._store_one(self._waiting.popleft()), 1)

    def _let_go(self, storing: Coroutine[Any, Any, None], events: int) -> None:
        self._in_flight += events
        flight = asyncio.create_task(storing)
        self._flights.add(flight)

        def landed(_flight: asyncio.Task[None]) -> None:
            self._flights.discard(flight)
            self._in_flight -= events
            self._send()

        flight.add_done_callback(landed)

    async def _store_one(self, waiting: _Waiting) -> None:
        stored = None
        try:
            seconds = waiting.deadline - time.monotonic()
            if seconds > 0:
                stored = await self._broker.store(waiting.subject, waiting.payload, waiting.headers, seconds=seconds)
                change = 1 if stored.duplicate else -1
                self._redeliveries = max(0, min(self._redeliveries + change, MOST_REDELIVERIES))
        except BrokerUnavailable:
            log.warning("broker.not_confirmed", events=1)
        finally:
            self._settle(waiting, stored)

    async def _store_batch(self, group: Sequence[_Waiting]) -> None:
        asked_at = time.monotonic()
        try:
            answer = await self._send_batch(self._broker.client, group)
            error = answer.get("error")
            if error is None:
                self._broker.note_stored()
                first = int(answer["seq"]) - len(group) + 1
                for number, waiting in enumerate(group):
                    self._settle(waiting, Stored(first + number, duplicate=False))
                return
            if error.get("err_code") == NOT_ENABLED:
                self._batches = False
                log.warning("broker.no_atomic_batches", stream=self._stream.name)
            for waiting in group:
                del waiting.headers["Nats-Batch-Id"], waiting.headers["Nats-Batch-Sequence"]
            await asyncio.gather(*(self._store_one(waiting) for waiting in group))
        except (BrokerUnavailable, nats.errors.Error, TimeoutError, OSError, ValueError, LookupError) as error:
            await self._broker.note_unconfirmed(error, asked_at)
            log.warning("broker.not_confirmed", events=len(group), error=type(error).__name__)
        finally:
            for waiting in group:
                self._settle(waiting, None)  # has no effect on events that were answered

    async def _send_batch(self, client: Client, group: Sequence[_Waiting]) -> dict[str, Any]:
        """Send a batch. Returns the broker's answer: the whole batch is stored, or an error and none of it is.

        Raises nats errors or TimeoutError when there is no answer; then the batch may be stored.
        """
        batch_id = secrets.token_hex(16)
        for number, waiting in enumerate(group, 1):
            waiting.headers |= {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
            if number < len(group):
                await client.publish(waiting.subject, waiting.payload, headers=waiting.headers)
        last = group[-1]
        seconds = max(SHORTEST_SECONDS, group[0].deadline - time.monotonic())
        headers = {**last.headers, "Nats-Batch-Commit": "1"}
        answer = await client.request(last.subject, last.payload, timeout=seconds, headers=headers)
        told: dict[str, Any] = json.loads(answer.data)
        return told

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
