"""The schedule pulls when the cursor is old, whatever this machine's clock does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from atlas_contracts.streams import BILLING, PARKED
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.group_commit import GroupCommit
from support.pulling import ListedEvents, World, moved_clock
from webhook_ingest.adapters.pull_state import PullState
from webhook_ingest.entrypoints.pull_schedule import PullSchedule
from webhook_ingest.use_cases.admit import Door
from webhook_ingest.use_cases.read_missed_events import Pull

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("seconds", [3600, -3600], ids=["ahead", "behind"])
async def test_a_wrong_clock_reads_what_stripe_has_and_leaves_the_cursor_at_stripes_time(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    with moved_clock(monkeypatch, seconds):
        lines = await world.pull(world.lists(world.ago(5)))
    assert lines[-1]["counts"] == {"accepted": 1}
    assert await world.state.cursor() == world.now
    later = world.lists(world.ago(-2000), now=world.now + 3000)
    assert (await world.pull(later))[-1]["counts"] == {"accepted": 1}, "what came later was not passed by"


@pytest.mark.parametrize("seconds", [3600, -3600], ids=["ahead", "behind"])
async def test_a_clock_that_jumps_neither_stops_the_schedule_nor_lets_it_pull_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    listed = world.lists()
    schedule = PullSchedule(Pull(listed, world.door, world.state), world.state, 1)
    monkeypatch.setattr("webhook_ingest.entrypoints.pull_schedule.LOOK_SECONDS", 0.02)
    await world.state.advance(world.now - 1)
    loop = asyncio.create_task(schedule.run())
    await until(lambda: len(listed.calls) == 1)
    with moved_clock(monkeypatch, seconds):
        started, calls = time.monotonic(), len(listed.calls)
        while time.monotonic() - started < 3:
            listed.time = int(world.now + 1 + time.monotonic() - started)
            await asyncio.sleep(0.02)
    loop.cancel()
    assert 1 <= len(listed.calls) - calls <= 4, "about one a second, as configured"


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_the_schedule_pulls_when_the_cursor_is_old_and_tells_the_drift(world: World) -> None:
    listed = world.lists(world.ago(30))
    schedule = PullSchedule(Pull(listed, world.door, world.state), world.state, 300)
    loop = asyncio.create_task(schedule.run())
    deadline = time.monotonic() + 10
    while (await world.state.cursor() or 0) < world.now - 5:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    loop.cancel()
    await asyncio.wait([loop])  # it may be listing the rest behind a cursor that it has just kept
    calls = len(listed.calls)
    again = asyncio.create_task(schedule.run())
    await asyncio.sleep(0.3)
    again.cancel()
    assert len(listed.calls) == calls, "the cursor is fresh: nothing is due"
    from prometheus_client import REGISTRY

    assert 0 <= (REGISTRY.get_sample_value("atlas_pull_drift_seconds") or -1) < 30


async def test_without_a_broker_nothing_is_pulled_and_nothing_breaks() -> None:
    broker = Broker(SecretStr("nats://127.0.0.1:9"), "test", streams=(BILLING, PARKED))
    await broker.start()
    listed = ListedEvents(int(time.time()))
    state = PullState(broker, 1)
    schedule = PullSchedule(Pull(listed, Door(False, GroupCommit(broker, BILLING), GroupCommit(broker, PARKED)), state), state, 300)
    loop = asyncio.create_task(schedule.run())
    await asyncio.sleep(0.2)
    assert not loop.done()
    assert listed.calls == []
    loop.cancel()
    await broker.close()
