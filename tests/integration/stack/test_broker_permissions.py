"""A broker user per service, each with the least it needs: tried against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import nats
import nats.errors
import nats.js.errors
import pytest
from nats.js.api import ConsumerConfig

from atlas_contracts.streams import (
    BILLING,
    ENTITLEMENTS,
    PROJECTOR_DURABLE,
    REPUBLISHER_CONSUMER,
    STATE,
    STREAMS,
    state_subject,
)
from atlas_kit.messaging.declaring import declare_stream
from atlas_localstack.stack import permissions
from support.broker_users import broker_with_users, connected, make_mirrors

pytestmark = pytest.mark.anyio
REFUSED = (nats.errors.Error, nats.js.errors.Error, TimeoutError)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with broker_with_users() as url:
        asyncio.run(declare(url))
        yield url


async def declare(url: str) -> None:
    async with connected(url, "checkout") as client:
        for stream in STREAMS:
            await declare_stream(client.jetstream(), stream, 1)
    async with connected(url, "entitlements") as client:
        await declare_stream(client.jetstream(), STATE, 1)
        await client.jetstream().add_consumer(BILLING.name, ConsumerConfig(durable_name=PROJECTOR_DURABLE))
    await make_mirrors(url)


async def published(url: str, user: str, subject: str) -> bool:
    async with connected(url, user) as client:
        try:
            await client.jetstream().publish(subject, b"{}", timeout=0.5)
        except REFUSED:
            return False
        return True


async def length(url: str) -> int:
    async with connected(url, "admin") as client:
        return int((await client.jetstream().stream_info("BILLING")).state.last_seq)


MAY_PUBLISH = {
    ("ingest", "billing.v1.x"), ("ingest", "parked.v1.x"),
    ("checkout", "billing.v1.x"),
    ("entitlements", "entitlements.v1.x"), ("entitlements", "parked.v1.x"), ("entitlements", state_subject("x")),
}  # fmt: skip


@pytest.mark.parametrize("subject", ["billing.v1.x", "entitlements.v1.x", "parked.v1.x", state_subject("x")])
@pytest.mark.parametrize("user", ["ingest", "checkout", "entitlements", "gateway", "observer", "keeper"])
async def test_each_user_publishes_what_is_its_own_and_nothing_else(url: str, user: str, subject: str) -> None:
    assert await published(url, user, subject) == ((user, subject) in MAY_PUBLISH)


@pytest.mark.parametrize("verb", ["DELETE", "PURGE", "UPDATE", "MSG.DELETE"])
@pytest.mark.parametrize("user", list(permissions.GRANTS))
async def test_nobody_can_change_empty_or_delete_a_stream(url: str, user: str, verb: str) -> None:
    """But the keeper of the retention, who runs at the start and ends: it can change one. What the maker of mirrors can
    change under the same name is a mirror, in another account.
    """
    if (user, verb) == ("keeper", "UPDATE") or user == "mirrors":
        return
    before = await length(url)
    async with connected(url, user) as client:
        with pytest.raises(REFUSED):
            await client.request(f"$JS.API.STREAM.{verb}.BILLING", b'{"seq": 1}', timeout=0.3)
        assert client.is_connected
    assert await length(url) == before


async def test_the_keeper_of_the_retention_changes_streams_and_does_nothing_else(url: str) -> None:
    async with connected(url, "keeper") as client:
        jetstream = client.jetstream(timeout=0.5)
        config = (await jetstream.stream_info("BILLING")).config
        await jetstream.update_stream(config.evolve(max_age=config.max_age))
        for subject in ("$JS.API.STREAM.CREATE.OTHER", "$JS.API.STREAM.MSG.GET.BILLING", "$JS.API.CONSUMER.CREATE.BILLING.mine"):
            with pytest.raises(REFUSED):
                await client.request(subject, b'{"seq": 1, "name": "OTHER"}', timeout=0.3)


async def test_the_bucket_of_states_is_read_by_others_and_changed_by_its_service_and_the_keeper_alone(url: str) -> None:
    assert await published(url, "entitlements", state_subject("y"))
    async with connected(url, "observer", inbox="_INBOX") as client:  # as any client of key-value buckets
        bucket = await client.jetstream().key_value("ENTITLEMENT_STATE")
        assert (await bucket.get("y")).value == b"{}"
        watched = await bucket.watch("y")
        assert (await watched.updates(timeout=5)).key == "y"
        await watched.stop()
    async with connected(url, "keeper") as client:
        config = (await client.jetstream().stream_info(STATE.name)).config
        await client.jetstream().update_stream(config)
    for user in ("ingest", "checkout", "gateway", "observer"):
        async with connected(url, user) as client:
            for verb in ("UPDATE", "DELETE", "PURGE"):
                with pytest.raises(REFUSED):
                    await client.request(f"$JS.API.STREAM.{verb}.{STATE.name}", b"{}", timeout=0.3)


async def test_the_entitlements_service_reads_announcements_by_one_consumer_and_touches_nobody_elses(url: str) -> None:
    async with connected(url, "observer") as client:
        await client.jetstream().add_consumer(ENTITLEMENTS.name, ConsumerConfig(durable_name="theirs"))
    async with connected(url, "entitlements") as client:
        jetstream = client.jetstream(timeout=0.5)
        await jetstream.add_consumer(ENTITLEMENTS.name, ConsumerConfig(name=REPUBLISHER_CONSUMER, inactive_threshold=5))
        await jetstream.delete_consumer(ENTITLEMENTS.name, REPUBLISHER_CONSUMER)
        with pytest.raises(REFUSED):
            await jetstream.delete_consumer(ENTITLEMENTS.name, "theirs")
        with pytest.raises(REFUSED):
            await jetstream.get_last_msg(ENTITLEMENTS.name, "entitlements.v1.x")


@pytest.mark.parametrize("user", ["ingest", "checkout", "gateway"])
async def test_who_has_no_business_reading_billing_events_cannot(url: str, user: str) -> None:
    async with connected(url, user) as client:
        with pytest.raises(REFUSED):
            await client.jetstream(timeout=0.3).get_last_msg("BILLING", "billing.v1.x")
        with pytest.raises(REFUSED):
            await client.jetstream(timeout=0.3).add_consumer("BILLING", ConsumerConfig(durable_name="mine"))


async def test_the_observer_reads_both_streams_with_a_durable_of_its_own(url: str) -> None:
    await published(url, "checkout", "billing.v1.x")
    async with connected(url, "observer", inbox="_INBOX") as client:  # as any client without a prefix of its own
        subscription = await client.jetstream().pull_subscribe(
            "billing.v1.>", durable="another-service", stream="BILLING"
        )
        [message] = await subscription.fetch(1, timeout=5)
        await message.ack_sync()
        await client.jetstream().delete_consumer("BILLING", "another-service")


async def test_the_operator_sees_the_figures_that_doctor_needs_and_no_message(url: str) -> None:
    async with connected(url, "operator") as client:
        jetstream = client.jetstream()
        assert (await jetstream.stream_info("PARKED")).config.name == "PARKED"
        assert (await jetstream.consumer_info("BILLING", PROJECTOR_DURABLE)).name == PROJECTOR_DURABLE
        for stream in ("PARKED", "BILLING", "ENTITLEMENTS"):
            with pytest.raises(TimeoutError):  # no answer at all; one that may read hears that the stream is empty
                await client.jetstream(timeout=0.5).get_msg(stream, 1)


async def test_the_observer_knows_nothing_of_parked_events_and_of_the_projector(url: str) -> None:
    """Its account has mirrors of what it may read, and nothing else."""
    async with connected(url, "observer") as client:
        names = {info.config.name for info in await client.jetstream().streams_info()}
        assert names == {"BILLING", "ENTITLEMENTS", "KV_ENTITLEMENT_STATE"}
        with pytest.raises(nats.js.errors.NotFoundError):
            await client.jetstream().consumer_info("BILLING", PROJECTOR_DURABLE)
        with pytest.raises(REFUSED):
            await client.jetstream(timeout=0.3).get_msg("PARKED", 1)


async def test_nobody_overhears_another_services_answers(url: str) -> None:
    async with connected(url, "checkout") as eavesdropper, connected(url, "entitlements") as victim:
        own = await eavesdropper.subscribe(f"{permissions.inbox('checkout')}.>")
        others = [await eavesdropper.subscribe(subject) for subject in ("_INBOX_entitlements.>", "_INBOX.>", ">")]
        await eavesdropper.flush()  # the broker knows of them before anybody asks it anything
        await victim.jetstream().stream_info("BILLING")
        await eavesdropper.jetstream().stream_info("BILLING")
        await eavesdropper.flush()  # whatever was said before is here now
        assert [each.pending_msgs for each in others] == [0, 0, 0]
        assert own.pending_msgs == 1, "what it may hear it does hear"
