"""The service's FastStream broker. It opens no connection of its own, closes none, and answers nobody."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.nats import NatsBroker
from faststream.nats.broker.registrator import NatsRegistrator
from faststream.nats.subscriber.usecases import LogicSubscriber
from nats.aio.client import Client

from atlas_kit.messaging.broker import Broker
from atlas_kit.process.logs import get_logger

log = get_logger()

GRACE_SECONDS = 5.0
"""How long a stopping service may take over what it has in hand; afterwards the broker gives it to another replica."""


class Listeners(NatsBroker):
    """FastStream on the connection of ``service``.

    A subscriber gets nats-py's own message (or a list of them) and acknowledges it itself.
    """

    def __init__(self, service: Broker) -> None:
        super().__init__(
            ack_policy=AckPolicy.MANUAL,
            apply_types=False,
            decoder=_as_it_came,
            graceful_timeout=GRACE_SECONDS,
            inbox_prefix=service.inbox_prefix,
            logger=_Log(),
        )
        self.service = service

    def subscriber(self, subject: str = "", **options: Any) -> Any:  # type: ignore[override]  # one signature for all
        """A subscriber that never answers: the publisher chooses the reply subject, and it may be a subject of ours."""
        refused = options.keys() & {"no_reply", "inbox_prefix"}
        assert not refused, f"the same for every subscriber: {refused}"
        return super().subscriber(subject, no_reply=True, inbox_prefix=self.service.inbox_prefix.encode(), **options)

    def add(self, subscriber: LogicSubscriber[Any]) -> None:
        """A subscriber of a class of our own."""
        super(NatsRegistrator, self).subscriber(subscriber)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for the length of the block, once the service is connected for the first time."""
        await self.service.connected.wait()
        try:
            await self.start()
            yield
        finally:
            await self.stop()

    async def stop(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> None:
        """Let every subscriber finish what it has in hand. The connection stays open: the service publishes on it."""
        self._connection = None
        await super().stop(exc_type, exc_val, exc_tb)

    async def _connect(self) -> Client:
        connection = self.service.connection
        self.config.connect(connection)
        return connection


async def _as_it_came(message: StreamMessage[Any]) -> Any:
    """No decoding here: each subscriber decodes for itself, and decides about what can't be read."""
    return message.raw_message


class _Log:
    """FastStream's log lines as ours: what failed, not what was received."""

    def log(self, level: int, msg: Any, /, *, exc_info: Any = None, extra: Any = None) -> None:
        if level >= logging.WARNING:
            log.log(level, "listening.failed", detail=str(msg)[:200], exc_info=exc_info, where=extra)
