"""A message and its answer over nats-py's insides, which the client relies on: a new version may change them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from atlas_contracts.streams import BILLING
from atlas_kit.messaging.asking import AskingClient
from atlas_kit.messaging.headers import answer_read, message_headers
from atlas_kit.process import context

pytestmark = pytest.mark.anyio
SUBJECT = "billing.v1.purchase_succeeded"
HEADERS = b"x-test: 1\r\n"


async def listening(other: Client) -> None:
    """Until the broker has its subscriptions: nats-py's first ping overtakes what waits for its flusher."""
    await other.flush()
    await other.flush()


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[AskingClient]:
    asking = AskingClient()
    await asking.connect(nats_url)
    await asking.hear_answers()
    yield asking
    await asking.close()


@pytest.fixture
async def answering(nats_url: str) -> AsyncIterator[Client]:
    """Another client, which answers on ``echo`` with what it got."""
    other = await nats.connect(nats_url)

    async def echo(message: Msg) -> None:
        told = {"headers": message.headers, "data": message.data.decode()}
        await other.publish(message.reply, json.dumps(told).encode(), headers={"a": "b"})

    await other.subscribe("echo", cb=echo)
    await listening(other)
    yield other
    await other.close()


def asked(client: AskingClient, subject: str, *payloads: bytes, seconds: float = 5) -> asyncio.Future[bytes | None]:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes | None] = loop.create_future()
    messages = [(subject, HEADERS, payload) for payload in payloads]
    client.ask(messages, answered.set_result, until=loop.time() + seconds)
    return answered


async def test_each_of_many_at_once_hears_its_own_answer(client: AskingClient, answering: Client) -> None:
    answers = await asyncio.gather(*(asked(client, "echo", b"%d" % n) for n in range(300)))
    told = [json.loads(answer or b"") for answer in answers]
    assert [one["data"] for one in told] == [str(n) for n in range(300)]
    assert {one["headers"]["x-test"] for one in told} == {"1"}
    assert answering.is_connected


async def test_an_answer_comes_also_after_the_connection_was_lost(client: AskingClient, answering: Client) -> None:
    back = asyncio.Event()

    async def reconnected() -> None:
        back.set()

    client._reconnected_cb = reconnected
    await client.force_reconnect()
    await asyncio.wait_for(back.wait(), 10)
    assert json.loads(await asked(client, "echo", b"again") or b"")["data"] == "again"
    assert answering.is_connected


async def test_what_waits_for_the_flusher_goes_out_first(client: AskingClient, nats_url: str) -> None:
    other = await nats.connect(nats_url)
    seen = await other.subscribe("order")
    await listening(other)
    await client.publish("order", b"first")
    _ = asked(client, "order", b"second", b"third")
    assert [(await seen.next_msg()).data for _ in range(3)] == [b"first", b"second", b"third"]
    await other.close()


async def test_where_nobody_listens_the_answer_is_empty_at_once(client: AskingClient) -> None:
    assert await asyncio.wait_for(asked(client, "nobody", b"", seconds=60), 5) == b""


async def test_each_hears_that_no_answer_came_when_its_own_time_is_over(client: AskingClient, nats_url: str) -> None:
    other = await nats.connect(nats_url)
    await other.subscribe("silent")
    await listening(other)
    late, soon = asked(client, "silent", b"", seconds=60), asked(client, "silent", b"", seconds=0.05)
    assert await asyncio.wait_for(soon, 5) is None
    assert not late.done()
    assert await asyncio.wait_for(asked(client, "silent", b"", seconds=0.05), 5) is None
    await other.close()


async def test_a_callers_exception_does_not_stop_the_answers_of_others(client: AskingClient, answering: Client) -> None:
    def fails(_answer: bytes | None) -> None:
        raise RuntimeError("a mistake of the caller's")

    client.ask([("echo", HEADERS, b"")], fails, until=asyncio.get_running_loop().time() + 5)
    assert json.loads(await asked(client, "echo", b"next") or b"")["data"] == "next"
    assert answering.is_connected


async def test_a_message_that_is_too_large_is_refused_before_the_broker_ends_the_connection(
    client: AskingClient,
) -> None:
    with pytest.raises(nats.errors.MaxPayloadError):
        asked(client, "echo", b"", bytes(client.max_payload))
    with pytest.raises(nats.errors.MaxPayloadError):
        asked(client, "echo", bytes(client.max_payload - len(HEADERS)), b"")
    with pytest.raises(nats.errors.BadSubjectError):
        asked(client, "two words", b"")
    assert client.is_connected


async def test_the_headers_of_an_event_arrive_as_they_are_named(client: AskingClient) -> None:
    await client.jetstream().add_stream(StreamConfig(name="BILLING", subjects=["billing.v1.>"]))
    answered: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
    with context.bound("req_1"):
        message = SUBJECT, message_headers("stripe:evt_1:x", BILLING), b"{}"
        traceparent = context.current_traceparent()
    client.ask([message], answered.set_result, until=asyncio.get_running_loop().time() + 5)
    assert answer_read(await answered or b"") == {"seq": 1}
    stored = await client.jetstream().get_msg("BILLING", 1)
    assert stored.headers == {
        "Nats-Msg-Id": "stripe:evt_1:x",
        "Nats-Expected-Stream": "BILLING",
        "Content-Type": "application/cloudevents+json",
        "traceparent": traceparent,
        "x-request-id": "req_1",
    }
