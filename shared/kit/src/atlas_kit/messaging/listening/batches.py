"""Reads a durable consumer in batches: the messages that have arrived are handled together, without waiting for more.

FastStream's own batch subscriber waits until a batch is full or a time-out is over, and repeats its request without a
pause when the durable is gone. This subclass requests messages, notices silence and stops in its own way
(docs/decisions/0005).
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import nats.errors
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.nats import JStream, PullSub
from faststream.nats.subscriber.config import NatsSubscriberConfig, NatsSubscriberSpecificationConfig
from faststream.nats.subscriber.specification import NatsSubscriberSpecification
from faststream.nats.subscriber.usecases import BatchPullStreamSubscriber
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import ConsumerConfig

from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.listening.durable import BUSY, Durable, declare
from atlas_kit.messaging.listening.listeners import Listeners
from atlas_kit.process.logs import get_logger

log = get_logger()

REQUEST_SECONDS = 30
"""After this time the broker ends a request for messages, and the next one is made."""
HEARTBEAT_SECONDS = 2
"""Pause between the broker's heartbeats, which show that it still serves the request while no message comes."""
SILENCE_SECONDS = 2.5 * HEARTBEAT_SECONDS
"""After this time without a message or heartbeat, the request is taken to be lost and is made again."""
PAUSES_SECONDS = (0.0, 0.1, 0.5, 1.0)
"""Pauses before the next request, by the number of failed ones in a row; the last one repeats."""
DRAIN_SECONDS = 2.0
"""When stopping: how long to wait for messages that the broker has sent already."""
HEARTBEAT, EXPIRED = "100", "408"
"""The broker's status codes for a heartbeat, and for the end of a request's time."""
_NANOSECONDS = 1_000_000_000

BatchHandler = Callable[[list[Msg]], Awaitable[None]]


class RequestEnded(Exception):
    """The broker ended a request for messages early: the durable was deleted, or has no leader right now."""


class BatchSubscriber(BatchPullStreamSubscriber):
    """Gives the durable's messages to one handler, batch by batch. FastStream starts, supervises and stops it.

    The handler acknowledges. A message that it doesn't answer comes again after the durable's acknowledgement wait.
    """

    def __init__(
        self,
        config: NatsSubscriberConfig,
        specification: NatsSubscriberSpecification,
        calls: CallsCollection[list[Msg]],
        durable: Durable,
    ) -> None:
        super().__init__(
            config,
            specification,
            calls,
            stream=JStream(durable.stream.name, declare=False),
            pull_sub=PullSub(batch_size=durable.batch, batch=True),
        )
        self.durable = durable
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()
        self._in_hand: list[Msg] = []
        self._requests, self._failures = 0, 0
        self._not_before = -math.inf
        self._inbox = ""
        self._deliveries: Subscription | None = None

    @property
    def receiving(self) -> bool:
        """Whether the broker serves the newest request for messages."""
        return self._requests > 0 and self._failures == 0 and any(not task.done() for task in self.tasks)

    async def check(self) -> None:
        """Readiness: the durable exists, and the broker serves our request. Raises nats errors or RequestEnded."""
        if not self.receiving:
            raise RequestEnded
        await self.jetstream.consumer_info(self.durable.stream.name, self.durable.name)

    async def stop(self) -> None:
        """Finish the current batch, and return the other messages to the broker, so that another replica gets them now.

        The current batch has a bounded time; messages of it without an answer are returned too.
        """
        self.running = False
        await self._stop_arriving()
        await self._give_back(self._waiting())
        await super().stop()  # waits for the current batch, at most GRACE_SECONDS (listeners)
        await self._give_back([*self._in_hand, *self._waiting()])
        self._in_hand, self._requests = [], 0

    async def _create_subscription(self) -> None:
        self._inbox = self.connection.new_inbox()
        self._deliveries = await self.connection.subscribe(f"{self._inbox}.*", cb=self._arrived.put)
        self.add_task(self._consume_pull)

    async def _consume_pull(self) -> None:
        """Until stopped: declare the durable if it is missing, request messages, and hand them to the handler.

        After a failure there is a pause before the next request.
        """
        while self.running:
            await asyncio.sleep(PAUSES_SECONDS[min(self._failures, len(PAUSES_SECONDS) - 1)])
            try:
                await declare(self.jetstream, self.durable)
                while self.running:
                    await self._ask_once()
            except (nats.errors.Error, Unavailable, TimeoutError, OSError, RequestEnded) as error:
                self._failures += 1
                log.warning("consumer.waiting", error=type(error).__name__, detail=str(error)[:200])
            except Exception:
                self._failures += 1
                raise  # FastStream's supervisor logs the error and starts this method again

    async def _ask_once(self) -> None:
        """Make one request and handle its messages until it is used up or over. Raises RequestEnded if it fails."""
        self._requests += 1
        reply, remaining = f"{self._inbox}.{self._requests}", self.durable.batch
        await self.connection.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self.durable.stream.name}.{self.durable.name}",
            json.dumps(
                {
                    "batch": remaining,
                    "expires": REQUEST_SECONDS * _NANOSECONDS,
                    "idle_heartbeat": HEARTBEAT_SECONDS * _NANOSECONDS,
                }
            ).encode(),
            reply=reply,
        )
        ending = None
        while remaining > 0 and ending is None and self.running:
            await self._keep_spacing()
            batch, ending = await self._collect(remaining, reply)
            remaining -= len(batch)
            if batch:
                await self._hand_on(batch)
        if ending is not None and ending != EXPIRED:
            raise RequestEnded(ending)

    async def _keep_spacing(self) -> None:
        """Wait before taking messages, not with them in hand: a service that stops now gives them back untouched."""
        pause = self._not_before - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)

    async def _hand_on(self, batch: list[Msg]) -> None:
        spacing = self.durable.busy_spacing_seconds if len(batch) >= BUSY else 0.0
        self._not_before = time.monotonic() + max(self.durable.spacing_seconds, spacing)
        self._in_hand = batch
        if self.running:
            await self.consume(batch)
            self._in_hand = []

    async def _collect(self, limit: int, reply: str) -> tuple[list[Msg], str | None]:
        """At least one message and all others that have arrived; and how the request ended, None while it goes on."""
        batch: list[Msg] = []
        while len(batch) < limit:
            try:
                message = self._arrived.get_nowait() if batch else await self._next()
            except asyncio.QueueEmpty:
                break
            except TimeoutError:
                return batch, "no message or heartbeat from the broker"
            if not message.subject.startswith(self._inbox):
                batch.append(message)
                self._failures = 0
            elif message.subject == reply:  # a status of this request; one of an older request no longer matters
                status, description = _word(message)
                if status in (HEARTBEAT, EXPIRED):
                    self._failures = 0
                if status != HEARTBEAT:
                    return batch, status if status == EXPIRED else f"{status} {description}".strip()
        return batch, None

    async def _next(self) -> Msg:
        return await asyncio.wait_for(self._arrived.get(), SILENCE_SECONDS)

    async def _stop_arriving(self) -> None:
        """Stop receiving messages, after those that the broker has sent already."""
        deliveries, self._deliveries = self._deliveries, None
        if deliveries and self.connection.is_connected:
            with suppress(nats.errors.Error, TimeoutError, OSError):
                await asyncio.wait_for(deliveries.drain(), DRAIN_SECONDS)  # type: ignore[no-untyped-call]  # nats-py

    def _waiting(self) -> list[Msg]:
        waiting = []
        while not self._arrived.empty():
            waiting.append(self._arrived.get_nowait())
        return [message for message in waiting if not message.subject.startswith(self._inbox)]

    async def _give_back(self, messages: Iterable[Msg]) -> None:
        """Return unanswered messages to the broker, which delivers them to another replica without delay."""
        back = [message for message in messages if not message.is_acked]
        with suppress(nats.errors.Error, OSError):
            for message in back:
                await message.nak()
        if back:
            log.info("consumer.gave_back", messages=len(back))


def _word(message: Msg) -> tuple[str, str]:
    headers = message.headers or {}
    return headers.get("Status", ""), headers.get("Description", "")


def follow_durable(listeners: Listeners, durable: Durable, handler: BatchHandler) -> BatchSubscriber:
    """Give the durable's messages to ``handler`` in batches, once ``listeners`` is started."""
    calls = CallsCollection[list[Msg]]()
    outer: Any = listeners.config
    subject = durable.stream.subjects[0]
    described = NatsSubscriberSpecificationConfig(
        subject=subject, queue=None, title_=durable.name, description_=None, include_in_schema=True
    )
    subscriber = BatchSubscriber(
        NatsSubscriberConfig(
            subject=subject, sub_config=ConsumerConfig(durable_name=durable.name), no_reply=True, _outer_config=outer
        ),
        NatsSubscriberSpecification(_outer_config=outer, calls=calls, specification_config=described),
        calls,
        durable,
    )
    subscriber(handler)
    listeners.add(subscriber)
    return subscriber
