"""The readers' mirrors: made by the keeper alone, in the readers' own account, and made anew where their origin was."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nats
import nats.js.errors
import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig

from atlas_contracts.streams import BILLING, ENTITLEMENTS, MIRRORED, STATE, STATE_BUCKET, STREAMS, state_subject
from atlas_kit.messaging.declaring import declare_stream
from atlas_kit.messaging.retention import KeepingFailed, apply_retention
from atlas_kit.messaging.retention.mirrors import apply_mirrors, what_is_wrong
from atlas_localstack.servers.broker import adopt_store
from support.broker_users import broker_with_users, connected, make_mirrors, url_of
from support.embedded import embedded_nats

pytestmark = pytest.mark.anyio
ALL = (*STREAMS, STATE)



@pytest.fixture
def broker() -> Iterator[str]:
    with broker_with_users() as url:
        yield url


async def keep(broker: str, *streams) -> dict[str, str]:
    return {mirror.stream.name: mirror.state for mirror in await make_mirrors(broker, *streams)}


async def put(broker: str, key: str, value: bytes, **headers: str) -> None:
    async with connected(broker, "entitlements") as client:
        await client.jetstream().publish(state_subject(key), value, headers=headers or None)


async def read(broker: str, keys: set[str]) -> dict[str, bytes]:
    """What a plain client of key-value buckets finds under the readers' credentials, once it finds these keys."""
    async with connected(broker, "observer") as client:
        bucket = await client.jetstream().key_value(STATE_BUCKET)
        for _ in range(100):
            watcher, found = await bucket.watchall(ignore_deletes=True), {}
            async for entry in watcher:
                if entry is None:
                    break
                found[entry.key] = entry.value
            await watcher.stop()
            if set(found) == keys:
                for key, value in [*found.items()][:3]:
                    assert (await bucket.get(key)).value == value
                return found
            await asyncio.sleep(0.05)
    raise AssertionError(f"found {found}")


async def test_the_keeper_makes_each_mirror_once_with_its_origin_where_that_is_missing(broker: str) -> None:
    assert await keep(broker) == dict.fromkeys(("BILLING", "ENTITLEMENTS", "KV_ENTITLEMENT_STATE"), "made")
    assert set((await keep(broker)).values()) == {"kept"}
    await put(broker, "a", b"1")
    await put(broker, "b", b"2")
    await put(broker, "a", b"3")
    assert await read(broker, {"a", "b"}) == {"a": b"3", "b": b"2"}
    async with connected(broker, "checkout") as client:
        await client.jetstream().publish("billing.v1.x", b"{}")
    async with connected(broker, "observer") as client:
        subscription = await client.jetstream().pull_subscribe("billing.v1.>", durable="mine", stream="BILLING")
        [message] = await subscription.fetch(1, timeout=5)
        await message.ack_sync()
        assert message.subject == "billing.v1.x"


async def test_an_entry_that_was_taken_out_is_gone_from_the_mirror_and_its_bytes_too(broker: str) -> None:
    await keep(broker)
    await put(broker, "canary", b"value-of-the-canary")
    await read(broker, {"canary"})
    await put(broker, "canary", b"", **{"KV-Operation": "DEL"})
    await read(broker, set())
    async with connected(broker, "observer") as client:
        info = await client.jetstream().stream_info(STATE.name)
        assert info.state.messages == 1, "the marker alone"


async def test_a_bucket_that_was_deleted_and_made_anew_gets_a_new_mirror(broker: str) -> None:
    await keep(broker)
    for key in ("a", "b", "forgotten"):
        await put(broker, key, b"old")
    await read(broker, {"a", "b", "forgotten"})
    async with connected(broker, "admin") as client:
        await client.jetstream().delete_stream(STATE.name)
        with pytest.raises(nats.js.errors.Error):
            await client.jetstream().stream_info(STATE.name)
    async with connected(broker, "operator") as client:
        assert await what_is_wrong(client, STATE) == "is a copy of a stream that is no more"
    assert (await keep(broker))[STATE.name] == "remade"
    await put(broker, "a", b"new")
    assert await read(broker, {"a"}) == {"a": b"new"}
    async with connected(broker, "operator") as client:
        assert [await what_is_wrong(client, stream) for stream in MIRRORED] == [None, None, None]


async def test_until_then_the_old_mirror_goes_on_with_what_the_new_bucket_holds(broker: str) -> None:
    """Nobody has to be there for it: whoever was Pro and is not any more is told by the mirror that is left."""
    await keep(broker)
    await put(broker, "a", b"pro")
    await read(broker, {"a"})
    async with connected(broker, "admin") as client:
        await client.jetstream().delete_stream(STATE.name)
    async with connected(broker, "entitlements") as client:
        await declare_stream(client.jetstream(), STATE, 1)
    await put(broker, "a", b"not pro any more")
    for _ in range(300):  # the broker tries again some ten seconds after its origin was gone
        if (await read(broker, {"a"})) == {"a": b"not pro any more"}:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the old mirror still says the old state")


async def test_a_mirror_keeps_its_messages_as_long_as_its_origin(broker: str) -> None:
    await keep(broker)
    await apply_retention(url_of(broker, "keeper"), [BILLING.keeping(30)])
    async with connected(broker, "operator") as client:
        assert await what_is_wrong(client, BILLING) == "keeps its messages for another time"
    assert await keep(broker) == {"BILLING": "changed", "ENTITLEMENTS": "kept", "KV_ENTITLEMENT_STATE": "kept"}
    async with connected(broker, "observer") as client:
        ages = {name: (await client.jetstream().stream_info(name)).config.max_age for name in ("BILLING", "ENTITLEMENTS")}
    assert ages == {"BILLING": 30 * 86_400, "ENTITLEMENTS": 90 * 86_400}


async def test_what_an_earlier_version_kept_in_no_account_is_adopted(tmp_path: Path) -> None:
    with embedded_nats(store=tmp_path) as url:
        client = await nats.connect(url)
        await client.jetstream().add_stream(name="BILLING", subjects=["billing.v1.>"])
        await client.jetstream().add_consumer("BILLING", ConsumerConfig(durable_name="entitlements-projector"))
        await client.jetstream().publish("billing.v1.x", b"{}")
        await client.close()
    for _ in range(2):
        adopt_store(tmp_path, "ATLAS")
    with broker_with_users(tmp_path) as url:
        async with connected(url, "admin") as client:
            assert (await client.jetstream().stream_info("BILLING")).state.messages == 1
            assert (await client.jetstream().consumer_info("BILLING", "entitlements-projector")).num_pending == 1
        assert (await keep(url))["BILLING"] == "made"


@pytest.mark.parametrize("user", ["ingest", "keeper", "observer"])
async def test_nobody_else_makes_mirrors(broker: str, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atlas_kit.messaging.retention.ANSWER_SECONDS", 0.5)
    with pytest.raises(KeepingFailed):
        await apply_mirrors(url_of(broker, "keeper"), url_of(broker, user), [ENTITLEMENTS], 1)


async def test_the_program_of_the_start_makes_them_and_tells_once(broker: str) -> None:
    def run() -> str:
        environ = {"PATH": os.environ["PATH"], "NATS_ADMIN_URL": url_of(broker, "keeper"), "NATS_READERS_ADMIN_URL": url_of(broker, "mirrors"), "ENTITLEMENTS_RETENTION_DAYS": "7"}
        command = [sys.executable, "-m", "atlas_kit.messaging.retention"]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout

    first = await asyncio.to_thread(run)
    assert [line.rpartition(" ")[2] for line in first.splitlines()] == ["made", "made", "made"]
    assert await asyncio.to_thread(run) == ""
    async with connected(broker, "observer") as client:
        assert (await client.jetstream().stream_info("ENTITLEMENTS")).config.max_age == 7 * 86_400


async def test_a_reader_with_twenty_thousand_entries_gets_them_all(broker: str) -> None:
    """Flow control of its consumer stays in its own account, beside that of the mirror."""
    await keep(broker)
    async with connected(broker, "entitlements") as client:
        await asyncio.gather(*(_put_many(client, start) for start in range(0, 20_000, 500)))
    assert len(await read(broker, {f"k{n}" for n in range(20_000)})) == 20_000


async def _put_many(client: Client, start: int) -> None:
    for number in range(start, start + 500):
        await client.jetstream().publish(state_subject(f"k{number}"), b"x" * 300, timeout=60)
