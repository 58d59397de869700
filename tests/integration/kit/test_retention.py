"""How long streams keep their messages: existing ones are changed by their keeper alone, and in nothing but their age."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from atlas_contracts.streams import BILLING, ENTITLEMENTS, PARKED, SECONDS_PER_DAY, STATE, STREAMS
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.declaring import declare_stream, stream_config
from atlas_kit.messaging.retention import KeepingFailed, apply_retention, keeper_of
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.broker_users import broker_with_users, connected, url_of

pytestmark = pytest.mark.anyio
DAY = float(SECONDS_PER_DAY)


@pytest.fixture
def broker() -> Iterator[str]:
    with broker_with_users() as url:
        yield url


async def declare(broker: str, **changes: Any) -> None:
    """The streams as a service made them before there was a retention, but for ``changes``."""
    async with connected(broker, "ingest") as client:
        for stream in (BILLING, PARKED):
            await client.jetstream().add_stream(stream_config(stream, 1).evolve(**{"max_age": 0.0, **changes}))


async def configs(broker: str) -> dict[str, Any]:
    async with connected(broker, "admin") as client:
        return {stream.config.name: stream.config for stream in await client.jetstream().streams_info()}


async def test_streams_that_exist_get_the_age_and_keep_everything_else(broker: str) -> None:
    await declare(broker)
    before = await configs(broker)
    wanted = [BILLING.keeping(30), ENTITLEMENTS, PARKED]
    applied = await apply_retention(url_of(broker, "keeper"), wanted)
    assert [(each.stream.name, each.changed, each.before) for each in applied] == [("BILLING", True, "for ever"), ("PARKED", True, "for ever")]
    after = await configs(broker)
    assert set(after) == {"BILLING", "PARKED"}, "a missing stream is left to the service that makes it"
    assert (after["BILLING"].max_age, after["PARKED"].max_age) == (30 * DAY, 400 * DAY)
    assert {name: config.evolve(max_age=0.0) for name, config in after.items()} == before
    assert not any(each.changed for each in await apply_retention(url_of(broker, "keeper"), wanted))


async def test_the_bucket_of_states_keeps_its_entries_for_ever_whatever_age_it_was_given(broker: str) -> None:
    async with connected(broker, "entitlements") as client:
        await declare_stream(client.jetstream(), STATE, 1)
    async with connected(broker, "keeper") as keeper:
        config = (await keeper.jetstream().stream_info(STATE.name)).config
        assert not config.max_age
        await keeper.jetstream().update_stream(config.evolve(max_age=7.0 * DAY))
    [applied] = await apply_retention(url_of(broker, "keeper"), [STATE])
    assert (applied.changed, applied.before) == (True, "for 7 days")
    assert not (await configs(broker))[STATE.name].max_age


async def test_a_new_stream_is_made_with_its_age(broker: str) -> None:
    async with connected(broker, "entitlements") as client:
        for stream in STREAMS:
            await declare_stream(client.jetstream(), stream.keeping(7) if stream is PARKED else stream, 1)
    assert {name: config.max_age / DAY for name, config in (await configs(broker)).items()} == {"BILLING": 400, "ENTITLEMENTS": 90, "PARKED": 7}


@pytest.mark.parametrize("user", ["ingest", "checkout", "entitlements", "operator", "admin"])
async def test_nobody_else_may_change_an_age_and_is_told_what_is_lacking(broker: str, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atlas_kit.messaging.retention.ANSWER_SECONDS", 0.5)
    await declare(broker)
    with pytest.raises(KeepingFailed, match="may the user of NATS_ADMIN_URL update streams"):
        await apply_retention(url_of(broker, user), [BILLING])
    assert not (await configs(broker))["BILLING"].max_age


async def test_what_the_broker_refuses_is_told_in_its_words(broker: str) -> None:
    await declare(broker, duplicate_window=10 * DAY)
    with pytest.raises(KeepingFailed, match="refuses to change stream BILLING: duplicates window"):
        await apply_retention(url_of(broker, "keeper"), [BILLING.keeping(5)])


def run(**environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "atlas_kit.messaging.retention"], env={**kept, **environ}, capture_output=True, text=True, timeout=60
    )  # fmt: skip


def test_the_program_says_what_it_changed_and_the_second_time_nothing(broker: str) -> None:
    asyncio.run(declare(broker))
    given = {"NATS_ADMIN_URL": url_of(broker, "keeper"), "PARKED_RETENTION_DAYS": "20"}
    first, second = run(**given), run(**given)
    assert (first.returncode, second.returncode, second.stdout) == (0, 0, "")
    [told] = [line for line in first.stdout.splitlines() if "PARKED" in line]
    assert told == "stream PARKED keeps its messages for 20 days now; before for ever"


def test_a_bad_value_changes_nothing_and_a_broker_that_is_away_is_told_without_its_password(broker: str) -> None:
    asyncio.run(declare(broker))
    refused = run(NATS_ADMIN_URL=url_of(broker, "keeper"), BILLING_RETENTION_DAYS="3")
    assert refused.returncode == 2
    assert refused.stderr.startswith("configuration: BILLING_RETENTION_DAYS: must be 4 to 36500 days,") and refused.stderr.count("\n") == 1
    assert not asyncio.run(configs(broker))["BILLING"].max_age
    away = run(NATS_ADMIN_URL="nats://keeper:hunter2@127.0.0.1:9")
    assert away.returncode == 1 and "does not answer" in away.stderr
    assert "hunter2" not in away.stderr and "Traceback" not in away.stderr


async def test_a_node_that_is_away_keeps_nobody_from_asking_another_one(broker: str) -> None:
    """The services' connection, and the one of keeper and doctor, of which each try is the last."""
    away = f"nats://keeper:wrong@{LOOPBACK}:{free_port()}"
    nodes = f"{away}, {url_of(broker, 'keeper')}"
    async with keeper_of(nodes) as client:
        assert client.is_connected
    with pytest.raises(KeepingFailed):
        async with keeper_of(away):
            pass
    service = Broker(SecretStr(f"{away},{url_of(broker, 'ingest')}"), "ingest", inbox_prefix="_INBOX_ingest", streams=[BILLING])
    await service.start()
    try:
        await asyncio.wait_for(service.connected.wait(), 15)
        await service.check()
    finally:
        await service.close()
