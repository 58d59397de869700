"""The broker checks no rights on the subject that a request names for its reply. What can be done with that?

A compromised service may have answers and copies stored in BILLING, where it may not publish. Neither may become a fact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import nats
import pytest
from nats.js.api import ConsumerConfig
from pydantic import ValidationError

from atlas_contracts.streams import BILLING, ENTITLEMENTS, STREAMS
from atlas_kit.messaging.declaring import declare_stream
from atlas_localstack.stack import permissions
from entitlements.adapters.ledger_entry import ledger_entry
from support.broker_users import broker_with_users, connected
from support.entitlements import publish, running, stored
from support.facts import Purchase

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with broker_with_users() as url:
        asyncio.run(_declare(url))
        yield url


async def _declare(url: str) -> None:
    async with connected(url, "checkout") as client:
        for stream in STREAMS:
            await declare_stream(client.jetstream(), stream, 1)


async def _last_of_billing(url: str, after: int) -> tuple[str, bytes]:
    """The first message behind ``after``, once it is there."""
    async with connected(url, "admin") as client:
        jetstream = client.jetstream()
        for _ in range(100):
            if (await jetstream.stream_info(BILLING.name)).state.last_seq > after:
                message = await jetstream.get_msg(BILLING.name, after + 1)
                return message.subject or "", message.data or b""
            await asyncio.sleep(0.05)
    raise AssertionError("nothing came")


async def _length(url: str) -> int:
    async with connected(url, "admin") as client:
        return int((await client.jetstream().stream_info(BILLING.name)).state.last_seq)


async def test_who_may_ask_can_have_the_brokers_answer_stored_and_it_is_no_fact(url: str) -> None:
    before = await _length(url)
    async with connected(url, "entitlements") as client:
        await client.publish("$JS.API.STREAM.INFO.BILLING", b"", reply="billing.v1.purchase_succeeded")
        await client.flush()
    _, stored = await _last_of_billing(url, before)
    with pytest.raises(ValidationError):
        ledger_entry(stored)


async def test_no_reader_gets_a_bare_copy_sent_to_where_it_may_not_publish(url: str) -> None:
    """A direct read's answer comes under the subject that the request names: nothing in it tells it from a fact."""
    forged = Purchase("thief").paid(at=0).wire
    async with connected(url, "entitlements") as author:
        ack = await author.jetstream().publish("entitlements.v1.forged", forged)
    before = await _length(url)
    for user in permissions.GRANTS:  # admin included: where facts travel, the broker makes no such copies at all
        async with connected(url, user) as reader:
            for stream in (ENTITLEMENTS.name, BILLING.name):
                for request in (f'{{"seq": {ack.seq}}}', '{"last_by_subj": "entitlements.v1.forged"}'):
                    await reader.publish(f"$JS.API.DIRECT.GET.{stream}", request.encode(), reply="billing.v1.purchase_succeeded")
                await reader.publish(f"$JS.API.DIRECT.GET.{stream}.entitlements.v1.forged", b"", reply="billing.v1.purchase_succeeded")
            await reader.flush()
    async with connected(url, "checkout") as honest:  # what came before it has been stored, or never will be
        ack = await honest.jetstream().publish("billing.v1.x", b"{}")
    assert ack.seq == before + 1


def test_a_bare_copy_on_a_stream_of_an_older_version_is_parked_and_folded_by_nobody(nats_url: str, postgres_dsn: str) -> None:
    async def smuggle(fact: bytes) -> None:
        client = await nats.connect(nats_url)
        jetstream = client.jetstream()
        older = (await jetstream.stream_info(ENTITLEMENTS.name)).config
        assert not older.allow_direct
        await jetstream.update_stream(older.evolve(allow_direct=True))
        await jetstream.publish("entitlements.v1.forged", fact)
        await client.publish("$JS.API.DIRECT.GET.ENTITLEMENTS", b'{"last_by_subj": "entitlements.v1.forged"}', reply="billing.v1.purchase_succeeded")
        await client.drain()

    with running(nats_url, postgres_dsn) as service:
        asyncio.run(smuggle(Purchase("thief").paid(at=0).wire))
        honest = Purchase("honest").paid(at=0)
        publish(nats_url, [honest])
        assert service.applied([honest])
        assert len(stored(nats_url, BILLING.name)) == 2, "the copy had been stored, under a fact's subject"
        assert service.entitlement("thief")["status"] == "none"
        [parked] = stored(nats_url, "PARKED")
        assert b"copied_event" in (parked if isinstance(parked, bytes) else str(parked).encode())


def test_the_projector_is_not_even_given_such_a_copy(nats_url: str, postgres_dsn: str) -> None:
    async def smuggle(fact: bytes) -> None:
        client = await nats.connect(nats_url)
        jetstream = client.jetstream()
        await jetstream.publish("entitlements.v1.forged", fact)
        await jetstream.add_consumer(
            ENTITLEMENTS.name, ConsumerConfig(durable_name="mine", filter_subject="entitlements.v1.forged")
        )
        await client.publish("$JS.API.CONSUMER.MSG.NEXT.ENTITLEMENTS.mine", b"1", reply="billing.v1.purchase_succeeded")
        await client.drain()

    with running(nats_url, postgres_dsn) as service:
        asyncio.run(smuggle(Purchase("thief").paid(at=0).wire))
        honest = Purchase("honest").paid(at=0)
        publish(nats_url, [honest])
        assert service.applied([honest]), "what came after it has been folded"
        assert len(stored(nats_url, BILLING.name)) == 2, "and the copy had been stored before it"
        assert service.entitlement("honest")["isPro"]
        assert service.entitlement("thief")["status"] == "none"
