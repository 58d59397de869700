"""A durable consumer read in batches: whatever has arrived is handled together, and nothing waits for more.

FastStream's own batch subscriber waits until a batch is full or a time-out is over, and asks without a pause where
the durable is gone. This one is that subscriber with its own way to ask, to notice silence, and to stop
(docs/decisions/0005).
"""

from __future__ import annotations

import asyncio
import json
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
from atlas_kit.messaging.listening.durable import Durable, declare
from atlas_kit.messaging.listening.listeners import Listeners
from atlas_kit.process.logs import get_logger

log = get_logger()

REQUEST_SECONDS = 30
"""After so long the broker ends a request for messages, and we make the next."""
HEARTBEAT_SECONDS = 2
"""While no message comes, the broker shows in such steps that it still serves the request."""
SILENCE_SECONDS = 2.5 * HEARTBEAT_SECONDS
"""Without a message or a heartbeat for so long, the request was lost, and is made again."""
PAUSES_SECONDS = (0.0, 0.1, 0.5, 1.0)
"""Before the next request, by the number of failed ones in a row; the last pause repeats."""
DRAIN_SECONDS = 2.0
"""When stopping: for messages that the broker had sent already."""
HEARTBEAT, EXPIRED = "100", "408"
"""The broker's status codes: still there; the request's time is over."""
_NANOSECONDS = 1_000_000_000

BatchHandler = Callable[[list[Msg]], Awaitable[None]]


class RequestEnded(Exception):
    """The broker ended a request for messages early: the durable was deleted, or has no leader right now."""


class BatchSubscriber(BatchPullStreamSubscriber):
    """Hands its durable's messages to one handler, batch by batch; FastStream starts it, supervises it, stops it.

    The handler acknowledges. What it leaves without an answer comes again after the durable's acknowledgement wait.
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
        self._inbox = ""
        self._deliveries: Subscription | None = None

    @property
    def receiving(self) -> bool:
        """Whether the broker serves what was last asked of it."""
        return self._requests > 0 and self._failures == 0 and any(not task.done() for task in self.tasks)

    async def check(self) -> None:
        """Readiness: the durable answers, and serves us. Raises nats errors or RequestEnded."""
        if not self.receiving:
            raise RequestEnded
        await self.jetstream.consumer_info(self.durable.stream.name, self.durable.name)

    async def stop(self) -> None:
        """Finish the batch in hand and return the other messages at once, so that another replica gets them now."""
        self.running = False
        await self._stop_arriving()
        await self._give_back(self._waiting())
        await super().stop()  # waits for the batch in hand, for a bounded time
        await self._give_back([*self._in_hand, *self._waiting()])
        self._in_hand, self._requests = [], 0

    async def _create_subscription(self) -> None:
        self._inbox = self.connection.new_inbox()
        self._deliveries = await self.connection.subscribe(f"{self._inbox}.*", cb=self._arrived.put)
        self.add_task(self._consume_pull)

    async def _consume_pull(self) -> None:
        """Until stopped: declare the durable where it is missing, ask, hand on; never ask without a pause."""
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
                raise  # FastStream's supervisor logs it and starts this anew

    async def _ask_once(self) -> None:
        """One request, until it is served or over. Raises RequestEnded when the broker won't serve it."""
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
            batch, ending = await self._collect(remaining, reply)
            remaining -= len(batch)
            if batch:
                await self._hand_on(batch)
        if ending is not None and ending != EXPIRED:
            raise RequestEnded(ending)

    async def _hand_on(self, batch: list[Msg]) -> None:
        self._in_hand = batch
        if self.running:
            await self.consume(batch)
            self._in_hand = []

    async def _collect(self, limit: int, reply: str) -> tuple[list[Msg], str | None]:
        """At least one message and whatever else is there already; and how the request ended, None while it goes on."""
        batch: list[Msg] = []
        while len(batch) < limit:
            try:
                message = self._arrived.get_nowait() if batch else await self._next()
            except asyncio.QueueEmpty:
                break
            except TimeoutError:
                return batch, "no word from the broker"
            if not message.subject.startswith(self._inbox):
                batch.append(message)
                self._failures = 0
            elif message.subject == reply:  # about this request; what is said about an older one no longer matters
                status, description = _word(message)
                if status in (HEARTBEAT, EXPIRED):
                    self._failures = 0
                if status != HEARTBEAT:
                    return batch, status if status == EXPIRED else f"{status} {description}".strip()
        return batch, None

    async def _next(self) -> Msg:
        return await asyncio.wait_for(self._arrived.get(), SILENCE_SECONDS)

    async def _stop_arriving(self) -> None:
        """Receive no more messages; those that the broker had sent already are received first."""
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
        """Return messages to the broker, which gives them to another replica without a delay."""
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
    """Let ``handler`` have the durable's messages in batches, from the start of ``listeners`` on."""
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
