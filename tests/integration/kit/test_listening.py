"""What listens on the broker, against a real one: batches, a durable that vanishes, stopping in a backlog, replies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import nats.js.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig

from atlas_contracts.streams import BILLING
from atlas_kit.messaging.declaring import declare_stream
from atlas_kit.messaging.listening import Listeners, batches, follow_durable
from atlas_kit.messaging.listening.durable import ACK_WAIT_SECONDS
from support.listening import DURABLE, SUBJECT, Replica, observer, publish, until

pytestmark = pytest.mark.anyio
REQUESTS = f"$JS.API.CONSUMER.MSG.NEXT.{BILLING.name}.>"


async def test_a_single_message_comes_at_once_and_a_backlog_in_batches(nats_url: str) -> None:
    replica = Replica(nats_url)
    async with observer(nats_url) as client, replica.listening():
        await publish(client, 0, 1)
        assert await until(lambda: len(replica.handled) == 1) < 1
        replica.may_go_on.clear()
        await publish(client, 1, 33)
        replica.may_go_on.set()
        await until(lambda: len(replica.handled) == 34)
    assert replica.batches[0] == 1 and len(replica.batches) < 10


@pytest.mark.parametrize("spacing", ["spacing_seconds", "busy_spacing_seconds"])
async def test_with_a_spacing_a_message_after_a_pause_comes_at_once_and_the_next_ones_share_a_batch(
    nats_url: str, monkeypatch: pytest.MonkeyPatch, spacing: str
) -> None:
    monkeypatch.setattr(batches, "BUSY", 1)
    replica = Replica(nats_url, replace(DURABLE, **{spacing: 2.0}))
    async with observer(nats_url) as client, replica.listening():
        await publish(client, 0, 1)
        await until(lambda: len(replica.handled) == 1, 2)
        [await publish(client, number, 1) for number in range(1, 6)]  # without a spacing, each a batch of its own
        await until(lambda: replica.batches == [1, 5], 4)


async def test_the_spacing_of_large_batches_is_not_kept_after_a_small_one(nats_url: str) -> None:
    replica = Replica(nats_url, replace(DURABLE, busy_spacing_seconds=3_600.0))
    async with observer(nats_url) as client, replica.listening():
        for number in range(3):
            await publish(client, number, 1)
            await until(lambda count=number + 1: len(replica.handled) == count)


@asynccontextmanager
async def requests_counted(client: Client) -> AsyncIterator[list[float]]:
    """When each request for messages was made."""
    made: list[float] = []

    async def note(_: Msg) -> None:
        made.append(time.monotonic())

    subscription = await client.subscribe(REQUESTS, cb=note)
    await client.flush()
    yield made
    await subscription.unsubscribe()


async def test_a_durable_deleted_in_the_middle_of_a_batch_is_declared_again_without_a_storm_of_requests(nats_url: str) -> None:
    replica = Replica(nats_url)
    async with observer(nats_url) as client, replica.listening(), requests_counted(client) as requests:
        replica.may_go_on.clear()
        await publish(client, 0, 40)
        await until(lambda: bool(replica.batches))
        await client.jetstream().delete_consumer(BILLING.name, DURABLE.name)
        replica.may_go_on.set()
        await publish(client, 40, 1)
        assert await until(lambda: b"40" in replica.handled) < 10
        await until(lambda: replica.subscriber.receiving, 5)
        await replica.subscriber.check()
        assert len(requests) < 20
    assert set(replica.handled) == {b"%d" % n for n in range(41)}


async def test_an_idle_durable_that_is_deleted_is_declared_again(nats_url: str) -> None:
    replica = Replica(nats_url)
    async with observer(nats_url) as client, replica.listening():
        await until(lambda: replica.subscriber.receiving)
        await client.jetstream().delete_consumer(BILLING.name, DURABLE.name)
        await publish(client, 0, 1)
        assert await until(lambda: bool(replica.handled)) < 10


async def test_where_nobody_serves_the_durable_readiness_says_so_and_requests_keep_a_pause(nats_url: str) -> None:
    """The stream is gone with it, so it can't be declared: every request is answered "no responders" at once."""
    replica = Replica(nats_url)
    async with observer(nats_url) as client, replica.listening():
        await until(lambda: replica.subscriber.receiving)
        await client.jetstream().delete_stream(BILLING.name)
        await until(lambda: not replica.subscriber.receiving)
        async with requests_counted(client) as requests:
            await asyncio.sleep(3)
        assert len(requests) < 10
        with pytest.raises((nats.js.errors.Error, batches.RequestEnded)):
            await replica.subscriber.check()
        await declare_stream(client.jetstream(), BILLING, 1)
        await publish(client, 0, 1)
        assert await until(lambda: bool(replica.handled)) < 10
        await replica.subscriber.check()


async def test_a_consumer_that_is_there_and_has_no_leader_is_asked_with_a_pause(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its description answers (the cluster knows it), a request for messages finds no responder."""

    async def there(*_: object) -> None: ...

    async with observer(nats_url) as client:
        await declare_stream(client.jetstream(), BILLING, 1)
        monkeypatch.setattr(batches, "declare", there)
        replica = Replica(nats_url)
        async with requests_counted(client) as requests, replica.listening():
            await until(lambda: len(requests) > 1)
            await asyncio.sleep(3)
            assert len(requests) < 10
            assert not replica.subscriber.receiving
            monkeypatch.undo()
            await publish(client, 0, 1)
            assert await until(lambda: bool(replica.handled)) < 10


async def test_a_stopping_replica_finishes_its_batch_and_gives_the_rest_back_at_once(nats_url: str) -> None:
    leaving, staying = Replica(nats_url), Replica(nats_url)
    async with observer(nats_url) as client:
        async with leaving.listening():
            leaving.may_go_on.clear()
            await publish(client, 0, 200)
            await until(lambda: bool(leaving.batches))

            async def finish() -> None:
                await asyncio.sleep(0.2)
                leaving.may_go_on.set()

            finishing = asyncio.create_task(finish())
        await finishing
        assert len(leaving.handled) == sum(leaving.batches), "the batch in hand was finished"
        assert len(leaving.batches) == 1, "and no further one begun"
        async with staying.listening():
            took = await until(lambda: len(staying.handled) + len(leaving.handled) >= 200)
            assert took < ACK_WAIT_SECONDS / 2
            info = await client.jetstream().consumer_info(BILLING.name, DURABLE.name)
            assert info.num_pending == 0
    assert sorted([*leaving.handled, *staying.handled], key=int) == [b"%d" % n for n in range(200)]


async def test_a_batch_that_does_not_end_in_time_is_given_back_too(nats_url: str) -> None:
    leaving, staying = Replica(nats_url), Replica(nats_url)
    leaving.listeners.config.broker_config.graceful_timeout = 0.3
    async with observer(nats_url) as client:
        async with leaving.listening():
            leaving.may_go_on.clear()
            await publish(client, 0, 40)
            await until(lambda: bool(leaving.batches))
        async with staying.listening():
            assert await until(lambda: len(staying.handled) == 40) < ACK_WAIT_SECONDS / 2


async def test_cancelled_as_a_services_worker_is_it_stops_in_order(nats_url: str) -> None:
    replica = Replica(nats_url)
    await replica.broker.start()

    async def work() -> None:
        async with replica.listeners.listening():
            await asyncio.Event().wait()

    worker = asyncio.create_task(work())
    async with observer(nats_url) as client:
        await until(lambda: replica.subscriber.receiving)
        replica.may_go_on.clear()
        await publish(client, 0, 30)
        await until(lambda: bool(replica.batches))
        worker.cancel()
        await asyncio.sleep(0.1)
        replica.may_go_on.set()
        with suppress(asyncio.CancelledError):
            await worker
        assert len(replica.handled) == sum(replica.batches)
        assert replica.broker.client.is_connected, "the connection is the service's, and stays"
    await replica.broker.close()


async def test_a_handler_that_raises_is_survived_and_logged(nats_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    replica = Replica(nats_url)
    handle, failed = replica._handle, asyncio.Event()

    async def poor(batch: list[Msg]) -> None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("by accident")
        await handle(batch)

    listeners = Listeners(replica.broker)
    follow_durable(listeners, DURABLE, poor)
    replica.listeners = listeners
    async with observer(nats_url) as client, replica.listening():
        await publish(client, 0, 1)
        await asyncio.wait_for(failed.wait(), 5)
        await publish(client, 1, 1)
        await until(lambda: b"1" in replica.handled)
    assert "by accident" in capsys.readouterr().out


async def test_a_stored_message_that_looks_like_the_brokers_word_is_a_message(nats_url: str) -> None:
    replica = Replica(nats_url)
    async with observer(nats_url) as client, replica.listening():
        await client.jetstream().publish(SUBJECT, b"", headers={"Status": "409", "Description": "Consumer Deleted"})
        await until(lambda: replica.handled == [b""])
        assert replica.subscriber.receiving


async def test_nothing_that_listens_answers_on_a_publishers_reply_subject(nats_url: str) -> None:
    replica, heard = Replica(nats_url), asyncio.Event()

    async def hint(_: Msg) -> str:
        heard.set()
        return "an answer that nobody may get"

    replica.listeners.subscriber(SUBJECT)(hint)
    answers: list[Msg] = []

    async def note(message: Msg) -> None:
        answers.append(message)

    async with observer(nats_url) as client, replica.listening():
        await client.subscribe("answers.>", cb=note)
        await until(lambda: replica.subscriber.receiving)
        await replica.broker.client.flush()  # the broker knows of the listener by then
        await client.publish(SUBJECT, b"1", reply="answers.here", headers={"reply_to": "answers.there", "Reply-To": "answers.there"})
        await asyncio.wait_for(heard.wait(), 5)
        await until(lambda: replica.handled == [b"1"])
        await replica.broker.client.flush()
        await client.flush()
        assert [b'"stream"' in answer.data for answer in answers] == [True], "the broker's acknowledgement alone"


async def test_no_connection_is_opened_beside_the_services(nats_url: str) -> None:
    replica = Replica(nats_url)
    async with replica.listening():
        assert replica.listeners.connection is replica.broker.client
        await until(lambda: replica.subscriber.receiving)
        durable = ConsumerConfig(durable_name=DURABLE.name)
        info = await replica.broker.jetstream.consumer_info(BILLING.name, DURABLE.name)
        assert (info.config.durable_name, info.config.max_ack_pending) == (durable.durable_name, 64)
