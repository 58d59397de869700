"""Every user's newest state in a bucket: written with the announcements, never back, and gone with a forgotten user."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from atlas_contracts.streams import ENTITLEMENTS, STATE, state_key, state_subject
from atlas_kit.messaging.at_once import SMALLEST_BATCH
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.handed_over import OutboxRow
from entitlements.adapters.state_bucket import StateBucket
from entitlements.use_cases.keep_state import StateKeeper
from support.entitlements import announced, on_broker, publish, query, running, stored, token
from support.facts import Purchase
from support.stack import eventually
from support.state_bucket import delete_bucket, entries, entry, projected, told


def bought(*users: str) -> list[Any]:
    return [Purchase(user).paid(at=0) for user in users]


def forget(service: Any, user: str) -> dict[str, Any]:
    path = f"/internal/v1/users/{user}/forget"
    status, answer = service.get(path, token(user, issuer="checkout"), {})
    assert status == 200, answer
    return dict(answer)


def test_the_bucket_says_what_the_projection_says(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn):
        ada = Purchase("ada")
        publish(nats_url, [ada.paid(at=0), ada.charge_refunded(at=60), *bought("bob", "cyd")])
        eventually(lambda: len(told(nats_url)) == 3 and told(nats_url) == projected(postgres_dsn), what="entries")
        newest = {event["data"]["userId"]: event["data"] for _, event in announced(nats_url)}
        assert entry(nats_url, "ada") == newest["ada"]
        assert entry(nats_url, "bob") == newest["bob"]

        async def shape(client: Any) -> Any:
            return (await client.jetstream().stream_info(STATE.name)).config

        config = on_broker(nats_url, shape)
        assert (config.max_msgs_per_subject, config.max_age or 0, config.allow_direct) == (1, 0, False)


def test_a_forgotten_user_loses_the_entry_and_gets_a_new_one_when_they_come_back(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        mia = Purchase("mia")
        publish(nats_url, [mia.paid(at=0), mia.charge_refunded(at=60)])
        eventually(lambda: (entry(nats_url, "mia") or {}).get("version") == 2, what="the entry")
        assert forget(service, "mia")["entryRemoved"] is True
        assert entries(nats_url) == {}
        left = [message for message in stored_raw(nats_url) if message]
        assert left and not any(b"mia" in message for message in left)
        assert forget(service, "mia")["entryRemoved"] is True, "repeated"
        publish(nats_url, bought("mia"))
        eventually(lambda: (entry(nats_url, "mia") or {}).get("version") == 1, what="the new entry")
        assert told(nats_url) == projected(postgres_dsn)


def test_forgetting_somebody_unknown_leaves_nothing_in_the_bucket(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        assert forget(service, "nobody")["entryRemoved"] is True
        assert stored_raw(nats_url) == []


def stored_raw(url: str) -> list[bytes]:
    """Every message of the bucket's stream, headers and all."""

    async def act(client: Any) -> list[bytes]:
        jetstream = client.jetstream()
        state = (await jetstream.stream_info(STATE.name, subjects_filter=">")).state
        found = [await jetstream.get_msg(STATE.name, subject=subject) for subject in state.subjects or {}]
        return [json.dumps([each.subject, each.headers, (each.data or b"").decode()]).encode() for each in found]

    return on_broker(url, act)


def test_a_deleted_bucket_is_made_anew_by_the_next_change(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn):
        publish(nats_url, bought("ada"))
        eventually(lambda: entry(nats_url, "ada"), what="the entry")
        delete_bucket(nats_url)
        publish(nats_url, bought("bob"))
        eventually(lambda: entry(nats_url, "bob"), what="the entry in a new bucket")
        eventually(lambda: query(postgres_dsn, "SELECT count(*) FROM outbox") == [(0,)], what="an empty outbox")
        assert len(announced(nats_url)) == 2


def row_of(number: int, user: str, version: int) -> OutboxRow:
    data = {"userId": user, "isPro": bool(version % 2), "version": version, "reason": "test"}
    event = {"subject": user, "data": data}
    return OutboxRow(number, f"entitlement:{user}:{version}", "entitlements.v1.entitlement_updated", json.dumps(event), None)


def removal_of(number: int, user: str) -> OutboxRow:
    return OutboxRow(number, f"state:{number}", state_subject(state_key(user)), '{"known": true}', None)


@asynccontextmanager
async def keepers(url: str, count: int) -> AsyncIterator[list[StateKeeper]]:
    """As many replicas' writers, each with a connection and a memory of its own."""
    brokers = [Broker(SecretStr(url), f"keeper-{number}", streams=(STATE,)) for number in range(count)]
    try:
        for broker in brokers:
            await broker.start()
            await asyncio.wait_for(broker.connected.wait(), 30)
        yield [StateKeeper(StateBucket(broker, 1)) for broker in brokers]
    finally:
        for broker in brokers:
            await broker.close()


def test_two_writers_at_once_never_bring_an_entry_back(nats_url):
    """Every row is delivered by both, in other batches and as late as can be; a third one begins from the start."""
    users = [f"user-{number}" for number in range(8)]
    rows = [row_of(100 * step + at, user, step) for step in range(1, 13) for at, user in enumerate(users)]

    async def deliver(keeper: StateKeeper, batch: int) -> None:
        for start in range(0, len(rows), batch):
            assert not any(await keeper.store(rows[start : start + batch]))

    async def act() -> None:
        async with keepers(nats_url, 3) as (one, two, late):
            await asyncio.gather(deliver(one, 7), deliver(two, 24))
            await late.store(rows[:40])

    asyncio.run(act())
    assert {value["version"] for value in entries(nats_url).values()} == {12}


def test_many_entries_at_once_are_written_though_another_writer_has_changed_one(nats_url):
    users = [f"user-{number}" for number in range(2 * SMALLEST_BATCH)]

    async def act() -> None:
        async with keepers(nats_url, 2) as (one, other):
            assert not any(await one.store([row_of(number, user, 1) for number, user in enumerate(users)]))
            assert not any(await other.store([row_of(900, users[3], 2)]))
            assert not any(await one.store([row_of(1000 + number, user, 3) for number, user in enumerate(users)]))

    asyncio.run(act())
    assert [value["version"] for value in entries(nats_url).values()] == [3] * len(users)


@pytest.mark.parametrize("knows_the_entry", [True, False])
def test_a_row_of_the_old_life_that_comes_late_stays_out(nats_url, knows_the_entry):
    async def act() -> None:
        async with keepers(nats_url, 2) as (stalled, successor):
            if knows_the_entry:
                await stalled.store([row_of(1, "ada", 1)])
            await successor.store([row_of(2, "ada", 2), removal_of(4, "ada")])
            await stalled.store([row_of(3, "ada", 3)])
            assert await asyncio.to_thread(entries, nats_url) == {}
            await successor.store([row_of(5, "ada", 1)])
            await stalled.store([row_of(3, "ada", 3), removal_of(4, "ada")])

    asyncio.run(act())
    assert [value["version"] for value in entries(nats_url).values()] == [1]


def test_the_announcement_is_stored_once_and_the_entry_in_the_end_whatever_failed_between(nats_url, postgres_dsn):
    """The broker refuses the entry (a full bucket) while it takes the event: the row stays in the outbox."""

    async def limit(client: Any, bytes_: int) -> None:
        jetstream = client.jetstream()
        config = (await jetstream.stream_info(STATE.name)).config
        await jetstream.update_stream(config.evolve(max_bytes=bytes_))

    with running(nats_url, postgres_dsn) as service:
        on_broker(nats_url, lambda client: limit(client, 10))
        publish(nats_url, bought("ada"))
        eventually(lambda: len(stored(nats_url, ENTITLEMENTS.name)) == 1, what="the event")
        assert entries(nats_url) == {}
        assert query(postgres_dsn, "SELECT count(*) FROM outbox") == [(1,)]
        service.kill()
        on_broker(nats_url, lambda client: limit(client, -1))
        service.start()
        eventually(lambda: entry(nats_url, "ada"), what="the entry")
        eventually(lambda: query(postgres_dsn, "SELECT count(*) FROM outbox") == [(0,)], what="an empty outbox")
        assert len(stored(nats_url, ENTITLEMENTS.name)) == 1
