"""Gives existing streams the retention that is configured: ``python -m atlas_kit.messaging.retention``.

Services create missing streams with it and may not change existing ones. So this runs with credentials of its own
(``NATS_ADMIN_URL``): by ``./atlas up``, by compose at every start, and in ``./atlas doctor --fix``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import nats
import nats.errors
from nats.aio.client import Client

from atlas_contracts.streams import SECONDS_PER_DAY, StreamSpec
from atlas_kit.process.servers import servers_of

CONNECT_SECONDS = 5
NODE_SECONDS = 2
"""How long to wait for one node of the broker, before the next one is asked."""
ANSWER_SECONDS = 10.0
"""The broker answers an update once what is too old is gone."""
NANOSECONDS = 10**9
NOT_FOUND = 404
OUR_API = "$JS.API"


class KeepingFailed(Exception):
    """The broker did not do it; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A stream that exists: whether its retention was changed, and what it was (seconds; 0: for ever)."""

    stream: StreamSpec
    changed: bool
    before_seconds: float

    @property
    def before(self) -> str:
        """What it was, in words."""
        return in_days(self.before_seconds)


def in_days(seconds: float) -> str:
    """A retention in words: ``for 400 days``."""
    return f"for {seconds / SECONDS_PER_DAY:g} days" if seconds else "for ever"


def inbox_of(url: str) -> bytes:
    """The prefix of reply subjects that belongs to the user in a broker's URL: each of ours has its own."""
    user = url.partition("://")[2].partition(":")[0] if "@" in url else ""
    return f"_INBOX_{user}".encode() if user else b"_INBOX"


async def connect_once(url: str, seconds: float) -> Client:
    """A connection for one look, to whichever of the broker's nodes answers; it is not made again when it is lost.

    Raises nats errors, OSError, ValueError, or TimeoutError after ``seconds``.
    """
    servers = servers_of(url)
    async with asyncio.timeout(seconds):
        for first in range(len(servers)):
            # The client goes round those that refuse it, but waits for one that accepts it and stays silent.
            try:
                async with asyncio.timeout(NODE_SECONDS if first + 1 < len(servers) else None):
                    return await nats.connect(
                        [*servers[first:], *servers[:first]],
                        dont_randomize=True,
                        allow_reconnect=False,
                        error_cb=_quiet,
                        inbox_prefix=inbox_of(url),
                    )
            except (nats.errors.Error, OSError, TimeoutError):
                if first + 1 == len(servers):
                    raise
    raise ValueError("no URL of a broker")


@asynccontextmanager
async def keeper_of(url: str) -> AsyncIterator[Client]:
    """A connection with the credentials that may change streams. Raises KeepingFailed."""
    try:
        client = await connect_once(url, CONNECT_SECONDS)
    except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
        raise KeepingFailed(f"The broker of NATS_ADMIN_URL does not answer: {type(error).__name__}.") from error
    try:
        yield client
    finally:
        await client.close()


async def apply_retention(url: str, streams: Sequence[StreamSpec]) -> list[Applied]:
    """Change the age of those streams that exist and differ; a missing one gets it from the service that makes it.

    Nothing but the age is changed. What is older than a shorter age is gone at once. Raises KeepingFailed.
    """
    async with keeper_of(url) as client:
        found = [await _apply(client, stream) for stream in streams]
    return [applied for applied in found if applied]


async def _apply(client: Client, stream: StreamSpec) -> Applied | None:
    told = await ask(client, f"{OUR_API}.STREAM.INFO.{stream.name}", stream)
    if told.get("error", {}).get("code") == NOT_FOUND:
        return None
    if "config" not in told:
        raise KeepingFailed(f"The broker says nothing of stream {stream.name}: {said(told)}.")
    # The broker's own JSON, with one field changed: a client's model would lose what it doesn't know.
    config, wanted = told["config"], stream.max_age_seconds * NANOSECONDS
    before = int(config.get("max_age", 0))
    if before == wanted:
        return Applied(stream, changed=False, before_seconds=before / NANOSECONDS)
    update = f"{OUR_API}.STREAM.UPDATE.{stream.name}"
    done = await ask(client, update, stream, {**config, "max_age": wanted})
    if done.get("config", {}).get("max_age") != wanted:
        raise KeepingFailed(f"The broker refuses to change stream {stream.name}: {said(done)}.")
    return Applied(stream, changed=True, before_seconds=before / NANOSECONDS)


async def ask(client: Client, subject: str, stream: StreamSpec, body: Any = None) -> dict[str, Any]:
    """The broker's answer, in its own JSON. Raises KeepingFailed where none comes, and NoRespondersError."""
    payload = b"" if body is None else json.dumps(body).encode()
    try:
        answer = await client.request(subject, payload, timeout=ANSWER_SECONDS)
        told = json.loads(answer.data)
    except nats.errors.NoRespondersError:
        raise
    except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
        raise KeepingFailed(
            f"The broker gives no answer about stream {stream.name} ({type(error).__name__});"
            " may the user of NATS_ADMIN_URL update streams?"
        ) from error
    return told if isinstance(told, dict) else {}


def said(told: dict[str, Any]) -> str:
    """Why the broker refused, in its words."""
    return str(told.get("error", {}).get("description", "no reason given"))


async def _quiet(_: Exception) -> None:
    """Ignores the client's error messages: the failed call raises the error anyway."""
