"""What a reader asks the broker for can't land on a subject of ours, wherever the reader wants the answer sent.

The broker checks no rights on the subject of a reply or of a delivery. Each attack below is shown to land in the account
in which it is made: were the readers in our account, it would land on our streams.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import nats
import nats.errors
import pytest
from nats.aio.client import Client

from atlas_contracts.streams import BILLING, ENTITLEMENTS, ORIGIN_API, PARKED, STATE
from support.broker_users import broker_with_users, connected, make_mirrors

pytestmark = pytest.mark.anyio
OURS = (BILLING.name, ENTITLEMENTS.name, PARKED.name, STATE.name)
TARGETS = ("billing.v1.purchase_succeeded", "entitlements.v1.entitlement_granted", "parked.v1.x", "$KV.ENTITLEMENT_STATE.x")
REQUESTS = (
    ("$JS.API.STREAM.MSG.GET.{}", {"seq": 1}),
    ("$JS.API.DIRECT.GET.{}", {"seq": 1}),
    ("$JS.API.STREAM.INFO.{}", {}),
    ("$JS.API.CONSUMER.MSG.NEXT.{}.mine", {"batch": 1, "no_wait": True}),
    ("$JS.API.CONSUMER.INFO.{}.mine", {}),
    ("$JS.API.CONSUMER.LIST.{}", {"offset": 0}),
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with broker_with_users() as url:
        asyncio.run(_filled(url))
        yield url


async def _filled(url: str) -> None:
    """Every stream with a message, and every mirror with its copy."""
    await make_mirrors(url)
    async with connected(url, "entitlements") as client:
        for subject in ("entitlements.v1.x", "parked.v1.x", "$KV.ENTITLEMENT_STATE.x"):
            if subject.startswith("parked"):
                await client.jetstream().add_stream(name=PARKED.name, subjects=list(PARKED.subjects))
            await client.jetstream().publish(subject, b'{"isPro": true}')
    async with connected(url, "checkout") as client:
        await client.jetstream().publish("billing.v1.x", b"{}")
    async with connected(url, "observer") as client:
        for stream in (BILLING.name, ENTITLEMENTS.name, STATE.name):
            while not (await client.jetstream().stream_info(stream)).state.messages:
                await asyncio.sleep(0.02)


async def held(url: str) -> dict[str, int]:
    """The last sequence of each stream of ours, when everything that was said before has arrived."""
    async with connected(url, "admin") as client:
        for name in OURS:
            await client.request("$JS.API.STREAM.INFO." + name, b"")
        return {name: int((await client.jetstream().stream_info(name)).state.last_seq) for name in OURS}


async def asked(client: Client, subject: str, body: object) -> dict[str, object]:
    answer = await client.request(subject, json.dumps(body).encode(), timeout=5)
    told: dict[str, object] = json.loads(answer.data)
    return told


async def consumer(client: Client, stream: str, name: str, **config: object) -> dict[str, object]:
    body = {"stream_name": stream, "config": {"name": name, "deliver_policy": "all", **config}}
    return await asked(client, f"$JS.API.CONSUMER.CREATE.{stream}.{name}", body)


@pytest.mark.parametrize("stream", [BILLING.name, ENTITLEMENTS.name, STATE.name])
async def test_answers_that_are_sent_to_our_subjects_stay_with_the_reader(url: str, stream: str) -> None:
    before = await held(url)
    async with connected(url, "observer") as reader:
        await consumer(reader, stream, "mine", ack_policy="explicit")
        for target in TARGETS:
            for subject, body in REQUESTS:
                await reader.publish(subject.format(stream), json.dumps(body).encode() if body else b"", reply=target)
        await reader.flush()
        # The broker answers in turn: by now it has answered the others, on whatever subject.
        await reader.jetstream().stream_info(stream)
        await reader.jetstream().delete_consumer(stream, "mine")
    assert await held(url) == before


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("stream", [BILLING.name, ENTITLEMENTS.name, STATE.name])
async def test_a_consumer_that_delivers_to_our_subjects_delivers_nothing_to_us(url: str, stream: str, target: str) -> None:
    before = await held(url)
    async with connected(url, "observer") as reader:
        made = await consumer(reader, stream, "pushed", ack_policy="none", deliver_subject=target)
        if "error" not in made:  # the broker refuses a cycle
            # Nobody listens on that subject in the reader's account, so nothing is delivered at all.
            info = await reader.jetstream().consumer_info(stream, "pushed")
            assert info.delivered.consumer_seq == 0
            await reader.jetstream().delete_consumer(stream, "pushed")
    assert await held(url) == before


@pytest.mark.parametrize("verb", ["CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE"])
async def test_a_reader_makes_and_changes_no_stream(url: str, verb: str) -> None:
    async with connected(url, "observer") as reader:
        for name in ("OWN", BILLING.name):
            config = {"name": name, "subjects": ["x"], "republish": {"src": ">", "dest": "billing.v1.x"}}
            with pytest.raises((nats.errors.Error, TimeoutError)):
                await reader.request(f"$JS.API.STREAM.{verb}.{name}", json.dumps(config).encode(), timeout=0.2)
        assert (await reader.jetstream().stream_info(BILLING.name)).config.mirror is not None


async def test_a_reader_reaches_nothing_of_our_account_by_the_names_that_its_own_knows(url: str) -> None:
    async with connected(url, "observer") as reader:
        for stream in (BILLING.name, ENTITLEMENTS.name, STATE.name):
            with pytest.raises((nats.errors.Error, TimeoutError)):
                body = json.dumps({"stream_name": stream, "config": {"deliver_subject": "billing.v1.x"}}).encode()
                await reader.request(f"{ORIGIN_API}.CONSUMER.CREATE.{stream}", body, timeout=0.2)


async def _answer_as_request(url: str) -> list[str]:
    """Have the broker send what it says of a consumer to where a mirror asks its origin for one: it has the same shape.

    Returns the consumers that our ENTITLEMENTS then has, but for that of its mirror.
    """
    async with connected(url, "observer") as reader:
        name = ENTITLEMENTS.name
        await consumer(reader, name, "evil", ack_policy="none", deliver_subject="billing.v1.x")
        for subject in (f"$JS.API.CONSUMER.INFO.{name}.evil", f"$JS.API.CONSUMER.CREATE.{name}.evil"):
            body = {"stream_name": name, "config": {"name": "evil", "deliver_policy": "all", "ack_policy": "none", "deliver_subject": "billing.v1.x"}}
            sent = json.dumps(body).encode() if "CREATE" in subject else b""
            await reader.publish(subject, sent, reply=f"{ORIGIN_API}.CONSUMER.CREATE.{name}")
        await reader.flush()
        await reader.jetstream().consumer_info(name, "evil")
        await reader.jetstream().delete_consumer(name, "evil")
    async with connected(url, "admin") as client:
        return [each.name for each in await client.jetstream().consumers_info(name)]


async def test_an_answer_of_the_broker_passes_for_no_request_of_a_mirror(url: str) -> None:
    before = await held(url)
    assert await _answer_as_request(url) == []
    assert await held(url) == before


async def test_and_if_it_arrived_there_it_would_be_refused(url: str) -> None:
    """What the broker tells of a consumer has the fields of a request for one, and others: `strict` in its configuration."""
    async with connected(url, "admin") as client:
        told = await consumer(client, ENTITLEMENTS.name, "looked-at", ack_policy="none")
        refused = await asked(client, f"$JS.API.CONSUMER.CREATE.{ENTITLEMENTS.name}", told)
        assert "unknown field" in json.dumps(refused["error"])
        accepted = await asked(client, f"$JS.API.CONSUMER.CREATE.{ENTITLEMENTS.name}", {"stream_name": told["stream_name"], "config": {"ack_policy": "none"}})
        assert "error" not in accepted
        for name in ("looked-at", accepted["name"]):
            await client.jetstream().delete_consumer(ENTITLEMENTS.name, str(name))
