"""A process's worth of listening on the broker, and what tests of it look at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import SecretStr

from atlas_contracts.streams import BILLING
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.listening import BatchSubscriber, Durable, Listeners, follow_durable

DURABLE = Durable(BILLING, "a-test", batch=16)
SUBJECT = "billing.v1.anything"


class Replica:
    """A process's worth of listening: a connection, its listeners, one durable, and what was handled."""

    def __init__(self, url: str, durable: Durable = DURABLE) -> None:
        self.broker = Broker(SecretStr(url), "a-test", streams=(BILLING,))
        self.listeners = Listeners(self.broker)
        self.subscriber: BatchSubscriber = follow_durable(self.listeners, durable, self._handle)
        self.handled: list[bytes] = []
        self.batches: list[int] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def _handle(self, batch: list[Msg]) -> None:
        self.batches.append(len(batch))
        await self.may_go_on.wait()
        for message in batch:
            self.handled.append(message.data)
            await message.ack()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        await self.broker.start()
        try:
            async with self.listeners.listening():
                yield
        finally:
            await self.broker.close()


@asynccontextmanager
async def observer(url: str) -> AsyncIterator[Client]:
    client = await nats.connect(url)
    try:
        yield client
    finally:
        await client.close()


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> float:
    """How long it took, in seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        await asyncio.sleep(0.01)
    return time.monotonic() - started


async def publish(client: Client, first: int, count: int) -> None:
    jetstream = client.jetstream()
    await asyncio.gather(*(jetstream.publish(SUBJECT, b"%d" % n) for n in range(first, first + count)))
