"""Many messages at once over a real broker: each has its own answer, as a batch or singly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from nats.js.api import StreamConfig
from pydantic import SecretStr

from atlas_contracts.streams import ENTITLEMENTS
from atlas_kit.messaging.asking import Message
from atlas_kit.messaging.at_once import LARGEST_BATCH, SMALLEST_BATCH, AtOnce, Told
from atlas_kit.messaging.broker import Broker, BrokerUnavailable, NobodyStores
from atlas_kit.messaging.headers import message_headers

pytestmark = pytest.mark.anyio
SUBJECT = "entitlements.v1.entitlement_granted"


@pytest.fixture
async def broker(nats_url: str) -> AsyncIterator[Broker]:
    running = Broker(SecretStr(nats_url), "test", streams=(ENTITLEMENTS,))
    await running.start()
    await asyncio.wait_for(running.connected.wait(), 10)
    yield running
    await running.close()


def message(number: int, subject: str = SUBJECT) -> Message:
    return subject, message_headers(f"id-{number}", ENTITLEMENTS), b"%d" % number


async def published(broker: Broker, numbers: range) -> list[Told]:
    return await AtOnce(broker, ENTITLEMENTS.name).publish([message(number) for number in numbers])


async def stored(broker: Broker) -> list[tuple[bytes, bool]]:
    """What the stream holds, in its order, and whether it came in a batch."""
    jetstream = broker.jetstream
    last = (await jetstream.stream_info(ENTITLEMENTS.name)).state.last_seq
    found = [await jetstream.get_msg(ENTITLEMENTS.name, number) for number in range(1, last + 1)]
    return [(each.data or b"", "Nats-Batch-Id" in (each.headers or {})) for each in found]


async def test_many_go_as_batches_and_each_hears_its_sequence(broker: Broker) -> None:
    count = LARGEST_BATCH + SMALLEST_BATCH
    told = await published(broker, range(count))
    assert [one["seq"] for one in told if isinstance(one, dict)] == list(range(1, count + 1))
    assert await stored(broker) == [(b"%d" % number, True) for number in range(count)]


async def test_a_few_go_singly_in_their_order(broker: Broker) -> None:
    told = await published(broker, range(SMALLEST_BATCH - 1))
    assert [one["seq"] for one in told if isinstance(one, dict)] == list(range(1, SMALLEST_BATCH))
    assert await stored(broker) == [(b"%d" % number, False) for number in range(SMALLEST_BATCH - 1)]


async def test_what_was_stored_before_is_a_duplicate_and_all_else_is_stored_once(broker: Broker) -> None:
    await published(broker, range(5, 7))
    told = await published(broker, range(SMALLEST_BATCH))
    assert [one.get("duplicate", False) for one in told if isinstance(one, dict)] == [
        number in (5, 6) for number in range(SMALLEST_BATCH)
    ]
    assert sorted(int(payload) for payload, _ in await stored(broker)) == list(range(SMALLEST_BATCH))


async def test_a_stream_that_takes_no_batches_gets_single_messages(broker: Broker) -> None:
    jetstream = broker.jetstream
    await jetstream.delete_stream(ENTITLEMENTS.name)
    await jetstream.add_stream(StreamConfig(name=ENTITLEMENTS.name, subjects=list(ENTITLEMENTS.subjects)))
    told = await published(broker, range(SMALLEST_BATCH))
    assert [one["seq"] for one in told if isinstance(one, dict)] == list(range(1, SMALLEST_BATCH + 1))
    assert await stored(broker) == [(b"%d" % number, False) for number in range(SMALLEST_BATCH)]


@pytest.mark.parametrize("count", [1, SMALLEST_BATCH])
async def test_without_a_stream_every_message_hears_so(broker: Broker, count: int) -> None:
    await broker.jetstream.delete_stream(ENTITLEMENTS.name)
    assert [type(one) for one in await published(broker, range(count))] == [NobodyStores] * count


async def test_without_a_connection_every_message_hears_so(broker: Broker) -> None:
    await broker.close()
    assert [type(one) for one in await published(broker, range(SMALLEST_BATCH))] == [BrokerUnavailable] * SMALLEST_BATCH
