"""Group commit: events that arrive together are stored together, one sync of the broker's disk for all of them.

While one group is on its way, the next one gathers; nobody waits for company, so a single event costs what it always
did. A group large enough travels as one JetStream atomic batch (ADR-50, nats-server 2.12), a small one as single
messages in flight at once. Either way each caller hears about its own event, and only after that event is durable:

- an atomic batch is stored whole or not at all; with a duplicate in it the broker refuses it, and every event of the
  group then goes by itself and gets its own answer;
- the same message id twice in the waiting room is one message: the second caller hears ``duplicate`` once the first is
  durable, exactly as the broker would say;
- no word in time means BrokerUnavailable for all of the group: stored or not, publishing again with the same id heals.

Figures: docs/decisions/0004-group-commit.md.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import nats.errors
from nats.aio.client import Client

from atlas_contracts.streams import StreamSpec
from atlas_kit.logs import get_logger
from atlas_kit.messaging import PUBLISH_SECONDS, Broker, BrokerUnavailable, Stored, count_published, message_headers

log = get_logger()

SMALLEST_BATCH = 12
"""Below this, a batch's fixed cost (the broker stages it in a store of its own) exceeds the syncs that it saves."""
LARGEST_BATCH = 200
"""The broker takes 1,000; smaller ones keep the wait of the first in line short."""
MOST_WAITING = 4_096
"""More than a second's work: beyond this, saying no at once is kinder than keeping callers in line."""
NOT_ENABLED = 10174
"""JetStream's error code where the stream doesn't take atomic batches."""


@dataclass(slots=True, eq=False)
class _Waiting:
    subject: str
    payload: bytes
    message_id: str
    headers: dict[str, str]
    deadline: float
    done: asyncio.Future[Stored]
    followers: list[asyncio.Future[Stored]] = field(default_factory=list)


class _Refused(Exception):
    """The broker stored nothing of the batch."""


class GroupCommit:
    """Publishes to one stream, many callers at once."""

    def __init__(self, broker: Broker, stream: StreamSpec, *, seconds: float = PUBLISH_SECONDS) -> None:
        self._broker, self._stream, self._seconds = broker, stream, seconds
        self._waiting: list[_Waiting] = []
        self._known: dict[str, _Waiting] = {}
        self._worker: asyncio.Task[None] | None = None
        self._batches = True
        self._duplicates_seen = False

    async def publish(self, subject: str, payload: bytes, message_id: str) -> Stored:
        """Store an event durably. Raises BrokerUnavailable at once when disconnected, or when no word comes in time."""
        _ = self._broker.client
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
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work(), name="group-commit")
        return await future

    async def _work(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
            try:
                await self._store(group)
            finally:
                for waiting in group:
                    self._settle(waiting, None)  # whoever has no answer by now

    def _settle(self, waiting: _Waiting, stored: Stored | None) -> None:
        """Tell the caller and its followers, once; from now on the same id is a new message for the broker to judge."""
        if self._known.get(waiting.message_id) is not waiting:
            return
        del self._known[waiting.message_id]
        if stored:
            count_published(waiting.subject, stored)
        for future in (waiting.done, *waiting.followers):
            if future.done():  # its caller has gone
                continue
            if stored is None:
                future.set_exception(BrokerUnavailable())
            else:
                future.set_result(stored)
                stored = Stored(stored.sequence, duplicate=True)

    async def _store(self, group: Sequence[_Waiting]) -> None:
        try:
            client = self._broker.client
            if self._batches and not self._duplicates_seen and len(group) >= SMALLEST_BATCH:
                try:
                    await self._store_batch(client, group)
                except _Refused:
                    pass
                else:
                    return
            results = await asyncio.gather(*(self._store_one(waiting) for waiting in group))
            self._duplicates_seen = any(results)  # a storm of redeliveries: batches would all be refused
        except (BrokerUnavailable, nats.errors.Error, TimeoutError, OSError) as error:
            log.warning("broker.not_confirmed", events=len(group), error=type(error).__name__)

    async def _store_batch(self, client: Client, group: Sequence[_Waiting]) -> None:
        batch_id = secrets.token_hex(16)
        seconds = max(0.05, group[0].deadline - time.monotonic())
        for number, waiting in enumerate(group, 1):
            waiting.headers["Nats-Batch-Id"] = batch_id
            waiting.headers["Nats-Batch-Sequence"] = str(number)
            if number < len(group):
                await client.publish(waiting.subject, waiting.payload, headers=waiting.headers)
        last = group[-1]
        answer = await client.request(
            last.subject, last.payload, timeout=seconds, headers={**last.headers, "Nats-Batch-Commit": "1"}
        )
        self._settle_batch(group, json.loads(answer.data))

    def _settle_batch(self, group: Sequence[_Waiting], answer: dict[str, object]) -> None:
        error = answer.get("error")
        if isinstance(error, dict):
            for waiting in group:
                del waiting.headers["Nats-Batch-Id"], waiting.headers["Nats-Batch-Sequence"]
            if error.get("err_code") == NOT_ENABLED:
                self._batches = False
                log.warning("broker.no_atomic_batches", stream=self._stream.name)
            raise _Refused
        sequence = answer["seq"]
        assert isinstance(sequence, int)
        first = sequence - len(group) + 1
        for number, waiting in enumerate(group):
            self._settle(waiting, Stored(first + number, duplicate=False))

    async def _store_one(self, waiting: _Waiting) -> bool:
        """Whether it was there already."""
        seconds = max(0.05, waiting.deadline - time.monotonic())
        try:
            stored = await self._broker.store(waiting.subject, waiting.payload, waiting.headers, seconds=seconds)
        except BrokerUnavailable:
            self._settle(waiting, None)
            return False
        self._settle(waiting, stored)
        return stored.duplicate
