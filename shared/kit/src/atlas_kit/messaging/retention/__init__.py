"""Gives existing streams the retention that is configured: ``python -m atlas_kit.messaging.retention``.

Services create missing streams with it and may not change existing ones. So this runs with credentials of its own
(``NATS_ADMIN_URL``): by ``./atlas up``, by compose at every start, and in ``./atlas doctor --fix``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nats
import nats.errors
from nats.aio.client import Client

from atlas_contracts.streams import SECONDS_PER_DAY, StreamSpec

CONNECT_SECONDS = 5
ANSWER_SECONDS = 10.0
"""The broker answers an update once what is too old is gone."""
NANOSECONDS = 10**9
NOT_FOUND = 404


class RetentionNotApplied(Exception):
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


async def apply_retention(url: str, streams: Sequence[StreamSpec]) -> list[Applied]:
    """Change the age of those streams that exist and differ; a missing one gets it from the service that makes it.

    Nothing but the age is changed. What is older than a shorter age is gone at once. Raises RetentionNotApplied.
    """
    try:
        # The client itself goes on trying for two minutes, whatever it is told about reconnecting.
        async with asyncio.timeout(CONNECT_SECONDS):
            client = await nats.connect(url, allow_reconnect=False, error_cb=_quiet, inbox_prefix=inbox_of(url))
    except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
        raise RetentionNotApplied(f"The broker of NATS_ADMIN_URL does not answer: {type(error).__name__}.") from error
    try:
        found = [await _apply(client, stream) for stream in streams]
    finally:
        await client.close()
    return [applied for applied in found if applied]


async def _apply(client: Client, stream: StreamSpec) -> Applied | None:
    told = await _asked(client, f"INFO.{stream.name}", stream, None)
    if told.get("error", {}).get("code") == NOT_FOUND:
        return None
    if "config" not in told:
        raise RetentionNotApplied(f"The broker says nothing of stream {stream.name}: {_said(told)}.")
    # The broker's own JSON, with one field changed: a client's model would lose what it doesn't know.
    config, wanted = told["config"], stream.max_age_seconds * NANOSECONDS
    before = int(config.get("max_age", 0))
    if before == wanted:
        return Applied(stream, changed=False, before_seconds=before / NANOSECONDS)
    done = await _asked(client, f"UPDATE.{stream.name}", stream, {**config, "max_age": wanted})
    if done.get("config", {}).get("max_age") != wanted:
        raise RetentionNotApplied(f"The broker refuses to change stream {stream.name}: {_said(done)}.")
    return Applied(stream, changed=True, before_seconds=before / NANOSECONDS)


async def _asked(client: Client, what: str, stream: StreamSpec, body: Any) -> dict[str, Any]:
    payload = b"" if body is None else json.dumps(body).encode()
    try:
        answer = await client.request(f"$JS.API.STREAM.{what}", payload, timeout=ANSWER_SECONDS)
        told = json.loads(answer.data)
    except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
        raise RetentionNotApplied(
            f"The broker gives no answer about stream {stream.name} ({type(error).__name__});"
            " may the user of NATS_ADMIN_URL update streams?"
        ) from error
    return told if isinstance(told, dict) else {}


def _said(told: dict[str, Any]) -> str:
    return str(told.get("error", {}).get("description", "no reason given"))


async def _quiet(_: Exception) -> None:
    """Ignores the client's error messages: the failed call raises the error anyway."""
