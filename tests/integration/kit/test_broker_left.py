"""A node of the broker that is reached, answers pings and stores nothing is left for one that does."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from atlas_contracts.streams import BILLING
from atlas_kit.messaging import broker as module
from atlas_kit.messaging.broker import Broker, BrokerUnavailable, Stored
from atlas_kit.messaging.group_commit import GroupCommit
from atlas_kit.messaging.trust import Trust
from atlas_localstack.servers import binaries
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.embedded import embedded_nats

pytestmark = pytest.mark.anyio

SUBJECT = "billing.v1.purchase_succeeded"


@pytest.fixture(scope="module")
def deaf() -> Iterator[str]:
    """To a client it looks as a node does that has no majority: connected, and nobody responds."""
    port = free_port()
    command = [str(binaries.nats_server()), "-a", LOOPBACK, "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        yield f"nats://{LOOPBACK}:{port}"
        server.kill()


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    with embedded_nats() as url:
        yield url


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Trust", lambda: Trust(0.5))


@pytest.fixture
async def at_the_deaf_one(deaf: str, good: str) -> AsyncIterator[Broker]:
    """A client takes any node first: as often as it takes."""
    maker = Broker(SecretStr(good), "maker", streams=(BILLING,))
    await maker.start()
    await asyncio.wait_for(maker.connected.wait(), 10)
    await maker.close()
    while True:
        found = Broker(SecretStr(f"{deaf},{good}"), "test")
        await found.start()
        await asyncio.wait_for(found.connected.wait(), 10)
        if at(found) == deaf:
            break
        await found.close()
    yield found
    await found.close()


def at(broker: Broker) -> str:
    url = broker.client.connected_url
    assert url
    return f"nats://{url.hostname}:{url.port}"


async def sooner_or_later(publish) -> Stored:
    async with asyncio.timeout(15):
        while True:
            try:
                return await publish()
            except BrokerUnavailable:
                await asyncio.sleep(0.05)


async def test_a_publisher_moves_on(at_the_deaf_one: Broker, deaf: str, good: str) -> None:
    with pytest.raises(BrokerUnavailable):
        await at_the_deaf_one.publish(SUBJECT, b"", "one", stream=BILLING)
    assert at(at_the_deaf_one) == deaf, "not at the first failure"
    assert await sooner_or_later(lambda: at_the_deaf_one.publish(SUBJECT, b"", "one", stream=BILLING))
    assert at(at_the_deaf_one) == good


async def test_a_group_of_publishers_moves_on(at_the_deaf_one: Broker, good: str) -> None:
    group = GroupCommit(at_the_deaf_one, BILLING, seconds=1)
    events = [sooner_or_later(lambda n=n: group.publish(SUBJECT, b"", f"of-a-group-{n}")) for n in range(50)]
    assert len({stored.sequence for stored in await asyncio.gather(*events)}) == 50
    assert at(at_the_deaf_one) == good


async def test_whoever_starts_there_moves_on_and_so_does_whoever_only_looks(deaf: str, good: str) -> None:
    """Half of them begin at the good one."""
    starting = [Broker(SecretStr(f"{deaf},{good}"), f"test-{n}", streams=(BILLING,)) for n in range(8)]
    for broker in starting:
        await broker.start()
    async with asyncio.timeout(15):
        for broker in starting:
            await broker.connected.wait()
            await broker.check()
    assert {at(broker) for broker in starting} == {good}
    for broker in starting:
        await broker.close()


async def test_readiness_moves_on(at_the_deaf_one: Broker, good: str) -> None:
    at_the_deaf_one._streams = (BILLING,)
    async with asyncio.timeout(15):
        while True:
            try:
                await at_the_deaf_one.check()
                break
            except Exception:
                await asyncio.sleep(0.05)
    assert at(at_the_deaf_one) == good


async def test_the_only_server_is_not_left(deaf: str) -> None:
    broker = Broker(SecretStr(deaf), "test")
    await broker.start()
    await asyncio.wait_for(broker.connected.wait(), 10)
    for _ in range(12):
        with pytest.raises(BrokerUnavailable):
            await broker.publish(SUBJECT, b"", "one", stream=BILLING)
        await asyncio.sleep(0.1)
    assert broker.client.stats["reconnects"] == 0
    await broker.close()
