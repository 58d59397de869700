"""The second door: what no webhook brought still arrives, once, oldest first, and the cursor tells the truth."""

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
from atlas_kit.messaging.broker import Broker, BrokerUnavailable, Stored
from atlas_kit.messaging.group_commit import GroupCommit
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES
from support.stripe_events import purchase, session
from webhook_ingest.adapters.pull_state import Ended, PullState
from webhook_ingest.adapters.stripe_events import StripeUnavailable
from webhook_ingest.entrypoints.pull_schedule import PullSchedule
from webhook_ingest.use_cases.admit import Door
from webhook_ingest.use_cases.read_missed_events import (
    MOST_PER_WINDOW,
    OVERLAP_SECONDS,
    RETENTION_SECONDS,
    Pull,
    PullBusy,
)

pytestmark = pytest.mark.anyio
NOW = int(time.time())


@pytest.fixture(autouse=True)
def _now() -> None:
    """A long run must not grow old between import and test."""
    global NOW
    NOW = int(time.time())


class ListedEvents:
    """Stripe's list of events, newest first; `fail_after` so many calls it stops answering."""

    def __init__(self, *events: dict[str, Any], fail_after: int | None = None, time: int | None = None) -> None:
        self.events = list(events)
        self.time = time
        self.calls: list[tuple[int, int]] = []
        self.fail_after = fail_after

    async def now(self) -> int:
        return self.time or NOW

    async def between(self, since: int, until: int) -> AsyncIterator[dict[str, Any]]:
        self.calls.append((since, until))
        if self.fail_after is not None and len(self.calls) > self.fail_after:
            raise StripeUnavailable
        for event in sorted(self.events, key=lambda event: -event["created"]):
            if since <= event["created"] < until:
                yield event


class World:
    def __init__(self, broker: Broker, url: str) -> None:
        self.broker, self.url = broker, url
        self.door = Door(False, GroupCommit(broker, BILLING), GroupCommit(broker, PARKED))
        self.state = PullState(broker, 1)

    async def pull(self, events: ListedEvents, sweep: Callable[[], Awaitable[int]] | None = None, **options: Any) -> list[dict]:
        return [line async for line in Pull(events, self.door, self.state, sweep).run(**options)]

    async def stored(self) -> list[dict]:
        jetstream = self.broker.jetstream
        last = (await jetstream.stream_info("BILLING")).state.last_seq
        messages = [await jetstream.get_msg("BILLING", n) for n in range(1, last + 1)]
        return [json.loads(message.data or b"") for message in messages]


@pytest.fixture
async def world(nats_url: str) -> AsyncIterator[World]:
    broker = Broker(SecretStr(nats_url), "test", streams=(BILLING, PARKED))
    await broker.start()
    await asyncio.wait_for(broker.connected.wait(), 10)
    yield World(broker, nats_url)
    await broker.close()


def ago(seconds: int, **changes: Any) -> dict[str, Any]:
    return purchase(created=NOW - seconds, **changes)


async def test_the_first_pull_reads_all_that_stripe_keeps_oldest_first(world: World) -> None:
    events = [ago(seconds) for seconds in (10, 29 * 86_400, 3 * 86_400, 3600)]
    listed = ListedEvents(*events)
    lines = await world.pull(listed)
    assert lines[-1]["counts"] == {"accepted": 4}
    stored = await world.stored()
    assert [event["data"]["providerEventId"] for event in stored] == [events[n]["id"] for n in (1, 2, 3, 0)]
    assert {event["data"]["via"] for event in stored} == {"pull"}
    assert listed.calls[0][0] >= NOW - RETENTION_SECONDS
    assert abs((await world.state.cursor() or 0) - NOW) < 30


async def test_the_same_message_id_as_the_webhooks_makes_a_known_event_a_duplicate(world: World) -> None:
    event = ago(60)
    from datetime import UTC, datetime

    from atlas_contracts.billing import Via
    from atlas_stripe.arrival import Arrival

    await world.door.admit(event, Arrival(Via.WEBHOOK, datetime.now(UTC), "sha256:x", signature_verified=True))
    lines = await world.pull(ListedEvents(event))
    assert lines[-1]["counts"] == {"duplicate": 1}
    assert len(await world.stored()) == 1


async def test_the_next_pull_begins_a_little_before_the_cursor(world: World) -> None:
    await world.state.advance(NOW - 5000)
    listed = ListedEvents()
    await world.pull(listed)
    assert listed.calls[0][0] == NOW - 5000 - OVERLAP_SECONDS


async def test_a_version_that_supports_another_type_finds_what_older_ones_have_passed_over(world: World) -> None:
    await world.pull(ListedEvents())
    newer = PullState(world.broker, 1, (*SUPPORTED_EVENT_TYPES, "charge.succeeded"))
    older, world.state = world.state, newer
    listed = ListedEvents(ago(20 * 86_400))
    assert (await world.pull(listed))[-1]["counts"] == {"accepted": 1}
    assert listed.calls[0][0] >= NOW - RETENTION_SECONDS
    await older.advance(NOW + 5)
    assert abs((await newer.cursor() or 0) - NOW) < 5, "older replicas move their own"


async def test_an_event_that_stripe_showed_late_is_found_by_the_overlap(world: World) -> None:
    await world.pull(ListedEvents())
    lines = await world.pull(ListedEvents(ago(OVERLAP_SECONDS - 60)))
    assert lines[-1]["counts"] == {"accepted": 1}


async def test_the_cursor_stops_where_stripe_stopped_answering(world: World) -> None:
    await world.state.advance(NOW - 86_400)
    with pytest.raises(StripeUnavailable):
        await world.pull(ListedEvents(ago(80_000), ago(100), fail_after=2))
    cursor = await world.state.cursor() or 0
    assert NOW - 86_400 < cursor < NOW - 80_000 + 6 * 3600 * 2
    assert len(await world.stored()) == 1
    lines = await world.pull(ListedEvents(ago(80_000), ago(100)))
    assert len(await world.stored()) == 2
    assert lines[-1]["stage"] == "done"


async def test_the_cursor_waits_for_the_brokers_word(world: World) -> None:
    class Deaf:
        async def publish(self, subject: str, payload: bytes, message_id: str) -> Stored:
            raise BrokerUnavailable

    await world.state.advance(NOW - 5000)
    deaf = Door(False, Deaf(), Deaf())
    with pytest.raises(BrokerUnavailable):
        _ = [line async for line in Pull(ListedEvents(ago(100)), deaf, world.state).run()]
    assert await world.state.cursor() == NOW - 5000


async def test_a_dry_run_publishes_nothing_and_leaves_the_cursor(world: World) -> None:
    lines = await world.pull(ListedEvents(ago(100), ago(50, livemode=True)), dry_run=True)
    assert lines[-1]["counts"] == {"found": 1, "ignored": 1}
    assert await world.stored() == []
    assert await world.state.cursor() is None


async def test_a_short_look_back_does_not_pretend_that_older_times_are_known(world: World) -> None:
    await world.pull(ListedEvents(ago(100)), since_seconds=3600)
    assert await world.state.cursor() is None
    await world.state.advance(NOW - 7200)
    await world.pull(ListedEvents(), since_seconds=3600)
    assert await world.state.cursor() == NOW - 7200
    await world.pull(ListedEvents(), since_seconds=10_000)
    assert (await world.state.cursor() or 0) >= NOW


async def test_the_cursor_never_goes_back(world: World) -> None:
    await world.state.advance(NOW)
    await world.state.advance(NOW - 100)
    assert await world.state.cursor() == NOW


async def test_a_window_with_too_many_events_is_read_in_parts(world: World) -> None:
    await world.state.advance(NOW - 4000)
    events = [ago(3000 - n // 2) for n in range(MOST_PER_WINDOW + 500)]
    listed = ListedEvents(*events)
    lines = await world.pull(listed)
    assert lines[-1]["counts"] == {"accepted": len(events)}
    assert len(listed.calls) > 2


async def test_what_makes_no_sense_is_parked_and_the_pull_goes_on(world: World) -> None:
    senseless = purchase(created=NOW - 50, data={"object": session(client_reference_id="somebody_else")})
    lines = await world.pull(ListedEvents(senseless, ago(10), {"id": "evt_x", "created": NOW - 5}))
    assert lines[-1]["counts"] == {"parked": 1, "accepted": 1}


async def test_while_one_replica_pulls_another_waits(world: World) -> None:
    other = PullState(world.broker, 1)
    assert await other.take_lease()
    with pytest.raises(PullBusy):
        await world.pull(ListedEvents())
    await other.release_lease()
    assert (await world.pull(ListedEvents()))[-1]["stage"] == "done"


async def test_the_sweep_runs_under_the_lease_alone(world: World) -> None:
    await world.state.advance(NOW - 40 * 86_400)
    swept, other = [], PullState(world.broker, 1)

    async def sweep() -> int:
        swept.append(await other.take_lease())
        return 7

    assert await other.take_lease()
    with pytest.raises(PullBusy):
        await world.pull(ListedEvents(), sweep)
    assert swept == [], "somebody else pulls, and sweeps"
    await other.release_lease()
    await world.pull(ListedEvents(), sweep)
    assert swept == [False], "nobody else may pull meanwhile"


async def test_the_lease_is_kept_through_a_sweep_that_takes_longer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook_ingest.adapters.pull_state.RENEW_SECONDS", 0.01)
    await world.state.advance(NOW - 40 * 86_400)
    other = PullState(world.broker, 1)

    async def revision() -> int:
        return (await (await world.broker.jetstream.key_value("INGEST")).get("pull-lease")).revision or 0

    async def sweep() -> int:
        first = await revision()
        async with asyncio.timeout(10):
            while await revision() == first:
                await asyncio.sleep(0.01)
        assert not await other.take_lease()
        return 0

    await world.pull(ListedEvents(), sweep)
    assert await other.take_lease(), "given back at the end"


@pytest.mark.parametrize("removed", ["delete", "purge"])
async def test_a_lease_whose_key_was_deleted_can_be_had_again(world: World, removed: str) -> None:
    assert await world.state.take_lease()
    bucket = await world.broker.jetstream.key_value("INGEST")
    await getattr(bucket, removed)("pull-lease")
    assert await PullState(world.broker, 1).take_lease()


def failures(reason: str) -> float:
    from prometheus_client import REGISTRY

    return REGISTRY.get_sample_value("atlas_pull_failures_total", {"reason": reason}) or 0.0


class NoAnswer(ListedEvents):
    """Stripe refuses already the first question."""

    async def now(self) -> int:
        raise StripeUnavailable("stripe_permission")


async def test_a_pull_that_fails_counts_with_its_reason_until_one_succeeds(world: World) -> None:
    before = failures("stripe_permission")
    with pytest.raises(StripeUnavailable):
        await world.pull(NoAnswer())
    assert failures("stripe_permission") == before + 1
    elsewhere = PullState(world.broker, 1)
    ended = await elsewhere.ended()
    assert ended and ended.reason == "stripe_permission" and "Events: Read" in (ended.message or "")
    await world.pull(ListedEvents())
    ended = await elsewhere.ended()
    assert ended and ended.reason is None


async def test_a_busy_pull_and_a_dry_run_count_nothing(world: World) -> None:
    other = PullState(world.broker, 1)
    assert await other.take_lease()
    before = failures("unforeseen") + failures("service_unavailable") + failures("stripe_permission")
    with pytest.raises(PullBusy):
        await world.pull(ListedEvents())
    with pytest.raises(StripeUnavailable):
        await world.pull(NoAnswer(), dry_run=True)
    assert failures("unforeseen") + failures("service_unavailable") + failures("stripe_permission") == before
    assert await world.state.ended() is None


async def test_a_failure_that_the_broker_could_not_be_told_is_known_here(world: World) -> None:
    deaf = Broker(SecretStr("nats://127.0.0.1:9"), "deaf")
    state = PullState(deaf, 1)
    await state.end(Ended(1.0, "broker_unavailable", "No."))
    state._bucket = world.state._bucket  # it is back
    assert await state.ended() == Ended(1.0, "broker_unavailable", "No.")
    await state.end(Ended(2.0))
    assert await state.ended() == await world.state.ended() == Ended(2.0)


async def test_of_many_replicas_exactly_one_takes_the_lease(world: World) -> None:
    replicas = [PullState(world.broker, 1) for _ in range(8)]
    taken = await asyncio.gather(*(replica.take_lease() for replica in replicas))
    assert sum(taken) == 1


async def test_a_dead_replicas_lease_expires(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, living = PullState(world.broker, 1), PullState(world.broker, 1)
    assert await dead.take_lease()
    assert not await living.take_lease()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 61)
    assert await living.take_lease()
    assert not await dead.take_lease()


async def test_a_lease_that_a_clock_ahead_wrote_blocks_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, living = PullState(world.broker, 1), PullState(world.broker, 1)
    with moved_clock(monkeypatch, 3600):
        assert await dead.take_lease()
    assert await living.take_lease(), "nobody holds it for an hour"
    assert not await dead.take_lease()


@pytest.mark.parametrize("seconds", [3600, -3600], ids=["ahead", "behind"])
async def test_a_wrong_clock_reads_what_stripe_has_and_leaves_the_cursor_at_stripes_time(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    with moved_clock(monkeypatch, seconds):
        lines = await world.pull(ListedEvents(ago(5)))
    assert lines[-1]["counts"] == {"accepted": 1}
    assert await world.state.cursor() == NOW
    later = ListedEvents(ago(-2000), time=NOW + 3000)
    assert (await world.pull(later))[-1]["counts"] == {"accepted": 1}, "what came later was not passed by"


@pytest.mark.parametrize("seconds", [3600, -3600], ids=["ahead", "behind"])
async def test_a_clock_that_jumps_neither_stops_the_schedule_nor_lets_it_pull_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    listed = ListedEvents()
    schedule = PullSchedule(Pull(listed, world.door, world.state), world.state, 1)
    monkeypatch.setattr("webhook_ingest.entrypoints.pull_schedule.LOOK_SECONDS", 0.02)
    await world.state.advance(NOW - 1)
    loop = asyncio.create_task(schedule.run())
    await until(lambda: len(listed.calls) == 1)
    with moved_clock(monkeypatch, seconds):
        started, calls = time.monotonic(), len(listed.calls)
        while time.monotonic() - started < 3:
            listed.time = int(NOW + 1 + time.monotonic() - started)
            await asyncio.sleep(0.02)
    loop.cancel()
    assert 1 <= len(listed.calls) - calls <= 4, "about one a second, as configured"


@contextlib.contextmanager
def moved_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[None]:
    right = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: right() + seconds)
        yield


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_what_is_older_than_stripes_list_is_left_to_the_sweep(world: World) -> None:
    swept = []

    async def sweep() -> int:
        swept.append(True)
        return 7

    await world.state.advance(NOW - 40 * 86_400)
    lines = await world.pull(ListedEvents(ago(100)), sweep)
    assert {"stage": "swept", "payments": 7} in lines
    assert (await world.state.cursor() or 0) >= NOW
    await world.pull(ListedEvents(), sweep)
    assert swept == [True]


async def test_the_schedule_pulls_when_the_cursor_is_old_and_tells_the_drift(world: World) -> None:
    listed = ListedEvents(ago(30))
    schedule = PullSchedule(Pull(listed, world.door, world.state), world.state, 300)
    loop = asyncio.create_task(schedule.run())
    deadline = time.monotonic() + 10
    while (await world.state.cursor() or 0) < NOW - 5:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    calls = len(listed.calls)
    loop.cancel()
    again = asyncio.create_task(schedule.run())
    await asyncio.sleep(0.3)
    again.cancel()
    assert len(listed.calls) == calls, "the cursor is fresh: nothing is due"
    from prometheus_client import REGISTRY

    assert 0 <= (REGISTRY.get_sample_value("atlas_pull_drift_seconds") or -1) < 30


async def test_without_a_broker_nothing_is_pulled_and_nothing_breaks() -> None:
    broker = Broker(SecretStr("nats://127.0.0.1:9"), "test", streams=(BILLING, PARKED))
    await broker.start()
    listed = ListedEvents(ago(30))
    state = PullState(broker, 1)
    schedule = PullSchedule(Pull(listed, Door(False, GroupCommit(broker, BILLING), GroupCommit(broker, PARKED)), state), state, 300)
    loop = asyncio.create_task(schedule.run())
    await asyncio.sleep(0.2)
    assert not loop.done()
    assert listed.calls == []
    loop.cancel()
    await broker.close()
