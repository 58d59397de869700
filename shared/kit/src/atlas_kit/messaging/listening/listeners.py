"""The service's FastStream broker. It uses the service's connection, never closes it, and never replies to messages."""

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
"""How long a stopping service may take to finish its current messages; after that another replica gets them."""


class Listeners(NatsBroker):
    """FastStream on the connection of ``service``.

    A subscriber gets the message of nats-py (or a list of them), undecoded, and acknowledges it itself.
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
        """A subscriber that never replies: the publisher chooses the reply subject, and could choose one of ours."""
        refused = options.keys() & {"no_reply", "inbox_prefix"}
        assert not refused, f"these options are the same for every subscriber, don't pass them: {refused}"
        return super().subscriber(subject, no_reply=True, inbox_prefix=self.service.inbox_prefix.encode(), **options)

    def add(self, subscriber: LogicSubscriber[Any]) -> None:
        """Add a subscriber of our own class."""
        super(NatsRegistrator, self).subscriber(subscriber)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block runs, after waiting for the service's first connection."""
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
        """Let every subscriber finish its current messages. The connection stays open: the service publishes on it."""
        self._connection = None
        await super().stop(exc_type, exc_val, exc_tb)

    async def _connect(self) -> Client:
        connection = self.service.connection
        self.config.connect(connection)
        return connection


async def _as_it_came(message: StreamMessage[Any]) -> Any:
    """The message undecoded: each subscriber decodes it itself, and decides what to do with an unreadable one."""
    return message.raw_message


class _Log:
    """Writes FastStream's warnings and errors to our log, and drops its lines about received messages."""

    def log(self, level: int, msg: Any, /, *, exc_info: Any = None, extra: Any = None) -> None:
        if level >= logging.WARNING:
            log.log(level, "listening.failed", detail=str(msg)[:200], exc_info=exc_info, where=extra)
