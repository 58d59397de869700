"""Streams saved to files come back elsewhere with numbers, configuration and consumers, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import nats
import nats.js.errors
import pytest
from nats.js.api import ConsumerConfig

from atlas_contracts.streams import BILLING, STATE
from atlas_kit.messaging import snapshots
from atlas_kit.messaging.declaring import declare_stream
from atlas_kit.messaging.retention import KeepingFailed
from support.embedded import embedded_nats

pytestmark = pytest.mark.anyio

MESSAGES = 20
LARGE = 700_000
"""Bytes of a message: with 20 of them the broker waits more than once for us to keep up."""
ACKNOWLEDGED = 3


@pytest.fixture
async def saved(tmp_path: Path, nats_url: str) -> Path:
    client = await nats.connect(nats_url)
    jetstream = client.jetstream()
    for stream in (BILLING, STATE):
        await declare_stream(jetstream, stream, 1)
    for number in range(MESSAGES):
        headers = {"Nats-Msg-Id": f"m{number}"}
        await jetstream.publish("billing.v1.x", os.urandom(LARGE), headers=headers)
    await jetstream.add_consumer(BILLING.name, ConsumerConfig(durable_name="reader", ack_policy="explicit"))
    reader = await jetstream.pull_subscribe_bind("reader", BILLING.name)
    for message in await reader.fetch(ACKNOWLEDGED):
        await message.ack_sync()
    await client.close()
    assert await snapshots.save(nats_url, tmp_path) == [BILLING.name, STATE.name], "the others don't exist"
    return tmp_path


async def test_messages_with_their_numbers_and_what_was_acknowledged_come_back(saved: Path, nats_url: str) -> None:
    with embedded_nats() as elsewhere:
        assert await snapshots.restore(elsewhere, saved) == [BILLING.name, STATE.name]
        before, after = await nats.connect(nats_url), await nats.connect(elsewhere)
        try:
            here, there = before.jetstream(), after.jetstream()
            for sequence in (1, MESSAGES):
                one, other = await here.get_msg(BILLING.name, sequence), await there.get_msg(BILLING.name, sequence)
                assert (one.subject, one.data, one.headers) == (other.subject, other.data, other.headers)
            reader = await there.pull_subscribe_bind("reader", BILLING.name)
            [message] = await reader.fetch(1)
            assert message.metadata.sequence.stream == ACKNOWLEDGED + 1
            kept = (await there.stream_info(BILLING.name)).config
            assert (kept.deny_delete, kept.deny_purge, kept.duplicate_window) == (True, True, BILLING.dedupe_window_seconds)
        finally:
            await before.close()
            await after.close()


def cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_off, flipped])
async def test_of_a_damaged_file_no_stream_is_made(saved: Path, damage) -> None:
    file = saved / f"{BILLING.name}.snapshot"
    file.write_bytes(damage(file.read_bytes()))
    with embedded_nats() as elsewhere:
        with pytest.raises(KeepingFailed):
            await snapshots.restore(elsewhere, saved)
        client = await nats.connect(elsewhere)
        with pytest.raises(nats.js.errors.NotFoundError):
            await client.jetstream().stream_info(BILLING.name)
        await client.close()


async def test_a_stream_that_exists_is_never_written_over(saved: Path, nats_url: str) -> None:
    with pytest.raises(KeepingFailed, match="exists on this broker"):
        await snapshots.restore(nats_url, saved)


async def test_an_empty_folder_is_said_to_be_one(tmp_path: Path, nats_url: str) -> None:
    with pytest.raises(KeepingFailed, match="no saved stream"):
        await snapshots.restore(nats_url, tmp_path)
