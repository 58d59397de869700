"""Stripe's list of events, a door and a broker to pull them through, and clocks that are wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from atlas_contracts.streams import BILLING, PARKED
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.group_commit import GroupCommit
from support.stripe_events import purchase
from webhook_ingest.adapters.pull_state import PullState
from webhook_ingest.adapters.stripe_events import StripeUnavailable
from webhook_ingest.use_cases.admit import Door
from webhook_ingest.use_cases.read_missed_events import Pull


class ListedEvents:
    """Stripe's list of events, newest first, by a clock that stands; after `fail_after` calls it stops answering."""

    def __init__(self, now: int, *events: dict[str, Any], fail_after: int | None = None) -> None:
        self.time = now
        self.events = list(events)
        self.calls: list[tuple[int, int]] = []
        self.fail_after = fail_after

    async def now(self) -> int:
        return self.time

    async def between(self, since: int, until: int) -> AsyncIterator[dict[str, Any]]:
        self.calls.append((since, until))
        if self.fail_after is not None and len(self.calls) > self.fail_after:
            raise StripeUnavailable
        for event in sorted(self.events, key=lambda event: -event["created"]):
            if since <= event["created"] < until:
                yield event


class World:
    def __init__(self, broker: Broker, url: str) -> None:
        self.now = int(time.time())
        self.broker, self.url = broker, url
        self.door = Door(False, GroupCommit(broker, BILLING), GroupCommit(broker, PARKED))
        self.state = PullState(broker, 1)

    def ago(self, seconds: int, **changes: Any) -> dict[str, Any]:
        """A purchase of so many seconds before the test began."""
        return purchase(created=self.now - seconds, **changes)

    def lists(self, *events: dict[str, Any], fail_after: int | None = None, now: int | None = None) -> ListedEvents:
        """Stripe with these events; its clock stands at the test's beginning, or at `now`."""
        return ListedEvents(now or self.now, *events, fail_after=fail_after)

    async def pull(self, events: ListedEvents, sweep: Callable[[], Awaitable[int]] | None = None, **options: Any) -> list[dict]:
        return [line async for line in Pull(events, self.door, self.state, sweep).run(**options)]

    async def stored(self) -> list[dict]:
        jetstream = self.broker.jetstream
        last = (await jetstream.stream_info("BILLING")).state.last_seq
        messages = [await jetstream.get_msg("BILLING", n) for n in range(1, last + 1)]
        return [json.loads(message.data or b"") for message in messages]


@contextlib.asynccontextmanager
async def running_world(nats_url: str) -> AsyncIterator[World]:
    broker = Broker(SecretStr(nats_url), "test", streams=(BILLING, PARKED))
    await broker.start()
    await asyncio.wait_for(broker.connected.wait(), 10)
    yield World(broker, nats_url)
    await broker.close()


@contextlib.contextmanager
def moved_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[None]:
    right = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: right() + seconds)
        yield
