"""Publishes messages that are all there already, in one write: many of them as one JetStream atomic batch (ADR-50).

The broker syncs its disk once for each single message, and some seven times for a batch, however many are in it. Who
publishes for many callers, each with one event, takes :mod:`atlas_kit.messaging.group_commit` instead.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import nats.errors

from atlas_kit.messaging.asking import Message
from atlas_kit.messaging.broker import PUBLISH_SECONDS, Broker, BrokerUnavailable
from atlas_kit.messaging.headers import batch_headers
from atlas_kit.process.logs import get_logger

log = get_logger()

SMALLEST_BATCH = 20
"""Messages. A smaller batch costs the broker more than the messages singly (docs/performance.md)."""
LARGEST_BATCH = 200
"""Messages. The broker accepts 1,000."""
NOT_ENABLED = 10174
"""JetStream's error code for a stream that doesn't accept atomic batches."""

Told = Mapping[str, Any] | BrokerUnavailable
"""The broker's answer about one message, with ``seq`` or ``error``; or that none came, and it may be stored or not."""


class AtOnce:
    """Publishes to one stream, in the order given. What the broker refuses as a batch is sent singly."""

    def __init__(self, broker: Broker, stream: str) -> None:
        self._broker, self._stream = broker, stream
        self._batches = True

    async def publish(self, messages: Sequence[Message]) -> list[Told]:
        """Send all, and wait until each is durable or refused. One result per message."""
        told: list[Told] = []
        for first in range(0, len(messages), LARGEST_BATCH):
            told += await self._published(messages[first : first + LARGEST_BATCH])
        return told

    async def _published(self, messages: Sequence[Message]) -> list[Told]:
        if self._batches and len(messages) >= SMALLEST_BATCH:
            told = await self._ask(_as_batch(messages))
            if isinstance(told, BrokerUnavailable):
                return [told] * len(messages)
            if "error" not in told:
                first = int(told["seq"]) - len(messages) + 1
                return [{"seq": first + number} for number in range(len(messages))]
            self._refused(told["error"])
        asked = [self._ask([message]) for message in messages]
        return [await answer for answer in asked]

    def _ask(self, messages: Sequence[Message]) -> asyncio.Future[Told]:
        """Send messages in one piece. The result is the answer to the last one."""
        loop, asked_at = asyncio.get_running_loop(), time.monotonic()
        answered: asyncio.Future[Told] = loop.create_future()

        def heard(answer: bytes | None) -> None:
            if not answered.done():  # else its caller was cancelled
                answered.set_result(self._read(answer, asked_at))

        try:
            self._broker.client.ask(messages, heard, until=loop.time() + PUBLISH_SECONDS)
        except BrokerUnavailable as error:
            answered.set_result(error)
        except (nats.errors.Error, OSError, ValueError):
            answered.set_result(BrokerUnavailable())
        return answered

    def _read(self, answer: bytes | None, asked_at: float) -> Told:
        try:
            told = self._broker.told(answer, asked_at)
        except BrokerUnavailable as error:
            return error
        if "error" in told:
            return told
        if "seq" not in told:
            return BrokerUnavailable()
        if not told.get("duplicate"):
            self._broker.note_stored()
        return told

    def _refused(self, error: Any) -> None:
        """A batch was refused: with a duplicate or a wrong revision in it, say; or there are none on this stream."""
        if isinstance(error, dict) and error.get("err_code") == NOT_ENABLED:
            self._batches = False
            log.warning("broker.no_atomic_batches", stream=self._stream)


def _as_batch(messages: Sequence[Message]) -> list[Message]:
    batch_id = secrets.token_hex(16)
    return [
        (subject, headers + batch_headers(batch_id, number, last=number == len(messages)), payload)
        for number, (subject, headers, payload) in enumerate(messages, 1)
    ]
