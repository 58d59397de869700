"""Group commit over a real broker: every caller hears about its own event, and only when it is stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from nats.js.api import StreamConfig
from pydantic import SecretStr

from atlas_contracts.streams import BILLING
from atlas_kit.messaging.asking import Heard
from atlas_kit.messaging.broker import Broker, BrokerUnavailable, Stored
from atlas_kit.messaging.group_commit import LARGEST_BATCH, MOST_WAITING, SMALLEST_BATCH, GroupCommit

pytestmark = pytest.mark.anyio
SUBJECT = "billing.v1.purchase_succeeded"


@pytest.fixture
async def broker(nats_url: str) -> AsyncIterator[Broker]:
    running = Broker(SecretStr(nats_url), "test", streams=(BILLING,))
    await running.start()
    await asyncio.wait_for(running.connected.wait(), 10)
    yield running
    await running.close()


async def stored(broker: Broker) -> list[tuple[str, bytes]]:
    jetstream = broker.jetstream
    last = (await jetstream.stream_info("BILLING")).state.last_seq
    messages = [await jetstream.get_msg("BILLING", n) for n in range(1, last + 1)]
    return [((m.headers or {})["Nats-Msg-Id"], m.data or b"") for m in messages]


async def batches(broker: Broker) -> int:
    """How many messages came in a batch."""
    jetstream = broker.jetstream
    last = (await jetstream.stream_info("BILLING")).state.last_seq
    messages = [await jetstream.get_msg("BILLING", n) for n in range(1, last + 1)]
    return sum("Nats-Batch-Id" in (m.headers or {}) for m in messages)


async def test_each_of_many_events_is_stored_under_the_sequence_that_its_caller_hears(broker: Broker) -> None:
    group = GroupCommit(broker, BILLING)
    count = LARGEST_BATCH * 2 + 50
    answers = await asyncio.gather(*(group.publish(SUBJECT, b"%d" % n, f"id-{n}") for n in range(count)))
    found = await stored(broker)
    assert len(found) == count
    for number, answer in enumerate(answers):
        assert answer.duplicate is False
        assert found[answer.sequence - 1] == (f"id-{number}", b"%d" % number)
    assert await batches(broker) >= count - SMALLEST_BATCH


async def test_a_few_events_go_by_themselves_at_once(broker: Broker) -> None:
    group = GroupCommit(broker, BILLING)
    await asyncio.gather(*(group.publish(SUBJECT, b"", f"id-{n}") for n in range(SMALLEST_BATCH)))
    assert await batches(broker) == 0


async def test_a_known_event_in_a_batch_is_told_as_duplicate_and_the_others_are_stored(broker: Broker) -> None:
    group = GroupCommit(broker, BILLING)
    known = await group.publish(SUBJECT, b"", "id-30")
    answers = await asyncio.gather(*(group.publish(SUBJECT, b"", f"id-{n}") for n in range(60)))
    assert [n for n, answer in enumerate(answers) if answer.duplicate] == [30]
    assert answers[30].sequence == known.sequence
    assert len(await stored(broker)) == 60


async def test_the_same_id_many_times_at_once_is_new_for_one_caller(broker: Broker) -> None:
    group = GroupCommit(broker, BILLING)
    answers = await asyncio.gather(*(group.publish(SUBJECT, b"", f"id-{n % 7}") for n in range(140)))
    assert sum(not answer.duplicate for answer in answers) == 7
    assert len(await stored(broker)) == 7


async def test_after_a_storm_of_redeliveries_batches_come_back(broker: Broker) -> None:
    group = GroupCommit(broker, BILLING)
    for _ in range(3):
        await asyncio.gather(*(group.publish(SUBJECT, b"", f"id-{n}") for n in range(100)))
    before = await batches(broker)
    await asyncio.gather(*(group.publish(SUBJECT, b"", f"new-{n}") for n in range(300)))
    assert await batches(broker) > before + 100
    assert len(await stored(broker)) == 400


async def test_a_stream_without_atomic_batches_is_served_all_the_same(nats_url: str) -> None:
    import nats

    client = await nats.connect(nats_url)
    await client.jetstream().add_stream(StreamConfig(name="BILLING", subjects=["billing.v1.>"], duplicate_window=60))
    await client.close()
    running = Broker(SecretStr(nats_url), "test", streams=(BILLING,))
    await running.start()
    await asyncio.wait_for(running.connected.wait(), 10)
    group = GroupCommit(running, BILLING)
    for _ in range(2):
        answers = await asyncio.gather(*(group.publish(SUBJECT, b"", f"id-{n}") for n in range(100)))
        assert {answer.sequence for answer in answers} == set(range(1, 101))
    await running.close()


async def test_too_many_waiting_hear_no_at_once() -> None:
    unanswered: list[Heard] = []

    class Stuck:
        is_connected = True

        def ask(self, _messages: object, heard: Heard, *, until: float) -> None:
            assert until > 0
            unanswered.append(heard)

    silent = Broker(SecretStr("nats://127.0.0.1:9"), "test")
    silent._client = Stuck()
    group = GroupCommit(silent, BILLING, seconds=60)
    group._batches = False
    callers = [
        asyncio.create_task(group.publish(SUBJECT, b"", f"id-{n}")) for n in range(MOST_WAITING + SMALLEST_BATCH)
    ]
    await asyncio.sleep(0)
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await group.publish(SUBJECT, b"", "one too many")
    assert time.monotonic() - started < 0.5
    assert len(unanswered) == SMALLEST_BATCH
    while not all(caller.done() for caller in callers):
        while unanswered:
            unanswered.pop()(b'{"stream":"BILLING", "seq":1}')
        await asyncio.sleep(0)
    assert len(await asyncio.gather(*callers)) == len(callers)


async def test_a_batch_that_nobody_answers_is_unconfirmed_for_each_caller_and_the_next_ones_go_out() -> None:
    unanswered: list[tuple[int, Heard]] = []

    class Silent:
        is_connected = True
        connected_url = None

        def ask(self, messages: list[object], heard: Heard, *, until: float) -> None:
            assert until > 0
            unanswered.append((len(messages), heard))

    broker = Broker(SecretStr("nats://127.0.0.1:9"), "test")
    broker._client = Silent()
    group = GroupCommit(broker, BILLING)
    callers = [asyncio.create_task(group.publish(SUBJECT, b"", f"id-{n}")) for n in range(SMALLEST_BATCH * 3)]
    await asyncio.sleep(0)
    for _, heard in [unanswered.pop() for _ in range(SMALLEST_BATCH)]:
        heard(b'{"stream":"BILLING", "seq":1}')
    await asyncio.sleep(0)
    [(size, heard)] = unanswered
    assert size == SMALLEST_BATCH * 2
    heard(None)
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Stored] * SMALLEST_BATCH + [BrokerUnavailable] * size
    again = asyncio.create_task(group.publish(SUBJECT, b"", "id-0"))
    await asyncio.sleep(0)
    unanswered[-1][1](b'{"stream":"BILLING","seq":9,"duplicate":true}')
    assert await again == Stored(9, duplicate=True)


async def test_callers_that_went_away_hurt_nobody(broker: Broker) -> None:
    group = GroupCommit(broker, BILLING)
    callers = [asyncio.create_task(group.publish(SUBJECT, b"", f"id-{n}")) for n in range(100)]
    await asyncio.sleep(0)
    for caller in callers[::2]:
        caller.cancel()
    answers = await asyncio.gather(*callers[1::2])
    assert len({answer.sequence for answer in answers}) == 50
    assert (await group.publish(SUBJECT, b"", "another")).duplicate is False
