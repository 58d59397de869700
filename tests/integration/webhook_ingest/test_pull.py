"""The second door: what no webhook brought still arrives, once, oldest first, and the cursor tells the truth."""

from __future__ import annotations

import pytest

from atlas_kit.messaging.broker import BrokerUnavailable, Stored
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES
from support.pulling import World
from support.stripe_events import purchase, session
from webhook_ingest.adapters.pull_state import PullState
from webhook_ingest.adapters.stripe_events import StripeUnavailable
from webhook_ingest.use_cases.admit import Door
from webhook_ingest.use_cases.read_missed_events import (
    MOST_PER_WINDOW,
    OVERLAP_SECONDS,
    RETENTION_SECONDS,
    Pull,
)

pytestmark = pytest.mark.anyio


async def test_the_first_pull_reads_all_that_stripe_keeps_oldest_first(world: World) -> None:
    events = [world.ago(seconds) for seconds in (10, 29 * 86_400, 3 * 86_400, 3600)]
    listed = world.lists(*events)
    lines = await world.pull(listed)
    assert lines[-1]["counts"] == {"accepted": 4}
    stored = await world.stored()
    assert [event["data"]["providerEventId"] for event in stored] == [events[n]["id"] for n in (1, 2, 3, 0)]
    assert {event["data"]["via"] for event in stored} == {"pull"}
    assert listed.calls[0][0] >= world.now - RETENTION_SECONDS
    assert abs((await world.state.cursor() or 0) - world.now) < 30


async def test_the_same_message_id_as_the_webhooks_makes_a_known_event_a_duplicate(world: World) -> None:
    event = world.ago(60)
    from datetime import UTC, datetime

    from atlas_contracts.billing import Via
    from atlas_stripe.arrival import Arrival

    await world.door.admit(event, Arrival(Via.WEBHOOK, datetime.now(UTC), "sha256:x", signature_verified=True))
    lines = await world.pull(world.lists(event))
    assert lines[-1]["counts"] == {"duplicate": 1}
    assert len(await world.stored()) == 1


async def test_the_next_pull_begins_a_little_before_the_cursor(world: World) -> None:
    await world.state.advance(world.now - 5000)
    listed = world.lists()
    await world.pull(listed)
    assert listed.calls[0][0] == world.now - 5000 - OVERLAP_SECONDS


async def test_a_version_that_supports_another_type_finds_what_older_ones_have_passed_over(world: World) -> None:
    await world.pull(world.lists())
    newer = PullState(world.broker, 1, (*SUPPORTED_EVENT_TYPES, "charge.succeeded"))
    older, world.state = world.state, newer
    listed = world.lists(world.ago(20 * 86_400))
    assert (await world.pull(listed))[-1]["counts"] == {"accepted": 1}
    assert listed.calls[0][0] >= world.now - RETENTION_SECONDS
    await older.advance(world.now + 5)
    assert abs((await newer.cursor() or 0) - world.now) < 5, "older replicas move their own"


async def test_an_event_that_stripe_showed_late_is_found_by_the_overlap(world: World) -> None:
    await world.pull(world.lists())
    lines = await world.pull(world.lists(world.ago(OVERLAP_SECONDS - 60)))
    assert lines[-1]["counts"] == {"accepted": 1}


async def test_the_cursor_stops_where_stripe_stopped_answering(world: World) -> None:
    await world.state.advance(world.now - 86_400)
    with pytest.raises(StripeUnavailable):
        await world.pull(world.lists(world.ago(80_000), world.ago(100), fail_after=2))
    cursor = await world.state.cursor() or 0
    assert world.now - 86_400 < cursor < world.now - 80_000 + 6 * 3600 * 2
    assert len(await world.stored()) == 1
    lines = await world.pull(world.lists(world.ago(80_000), world.ago(100)))
    assert len(await world.stored()) == 2
    assert lines[-1]["stage"] == "done"


async def test_the_cursor_waits_for_the_brokers_word(world: World) -> None:
    class Deaf:
        async def publish(self, subject: str, payload: bytes, message_id: str) -> Stored:
            raise BrokerUnavailable

    await world.state.advance(world.now - 5000)
    deaf = Door(False, Deaf(), Deaf())
    with pytest.raises(BrokerUnavailable):
        _ = [line async for line in Pull(world.lists(world.ago(100)), deaf, world.state).run()]
    assert await world.state.cursor() == world.now - 5000


async def test_a_dry_run_publishes_nothing_and_leaves_the_cursor(world: World) -> None:
    lines = await world.pull(world.lists(world.ago(100), world.ago(50, livemode=True)), dry_run=True)
    assert lines[-1]["counts"] == {"found": 1, "ignored": 1}
    assert await world.stored() == []
    assert await world.state.cursor() is None


async def test_a_short_look_back_does_not_pretend_that_older_times_are_known(world: World) -> None:
    await world.pull(world.lists(world.ago(100)), since_seconds=3600)
    assert await world.state.cursor() is None
    await world.state.advance(world.now - 7200)
    await world.pull(world.lists(), since_seconds=3600)
    assert await world.state.cursor() == world.now - 7200
    await world.pull(world.lists(), since_seconds=10_000)
    assert (await world.state.cursor() or 0) >= world.now


async def test_the_cursor_never_goes_back(world: World) -> None:
    await world.state.advance(world.now)
    await world.state.advance(world.now - 100)
    assert await world.state.cursor() == world.now


async def test_a_window_with_too_many_events_is_read_in_parts(world: World) -> None:
    await world.state.advance(world.now - 4000)
    events = [world.ago(3000 - n // 2) for n in range(MOST_PER_WINDOW + 500)]
    listed = world.lists(*events)
    lines = await world.pull(listed)
    assert lines[-1]["counts"] == {"accepted": len(events)}
    assert len(listed.calls) > 2


async def test_what_makes_no_sense_is_parked_and_the_pull_goes_on(world: World) -> None:
    senseless = purchase(created=world.now - 50, data={"object": session(client_reference_id="somebody_else")})
    lines = await world.pull(world.lists(senseless, world.ago(10), {"id": "evt_x", "created": world.now - 5}))
    assert lines[-1]["counts"] == {"parked": 1, "accepted": 1}


async def test_what_is_older_than_stripes_list_is_left_to_the_sweep(world: World) -> None:
    swept = []

    async def sweep() -> int:
        swept.append(True)
        return 7

    await world.state.advance(world.now - 40 * 86_400)
    lines = await world.pull(world.lists(world.ago(100)), sweep)
    assert {"stage": "swept", "payments": 7} in lines
    assert (await world.state.cursor() or 0) >= world.now
    await world.pull(world.lists(), sweep)
    assert swept == [True]
