"""Announcements go from the fold to the relay of the same process by hand; the table stays the truth whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from atlas_contracts.streams import ENTITLEMENTS
from atlas_kit.messaging import handed_over
from atlas_kit.messaging.at_once import SMALLEST_BATCH
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.handed_over import HandedOver, OutboxRow
from atlas_kit.messaging.outbox import QUIET, OutboxRelay
from atlas_kit.storage.database import Connection, Database, fetch_one
from atlas_localstack.servers.ports import free_port
from entitlements.domain.policy import Policy
from entitlements.use_cases.fold import Folded, fold
from entitlements.use_cases.forget import forget
from support.embedded import embedded_nats
from support.facts import Purchase, Told

pytestmark = pytest.mark.anyio

NEVER = 3_600.0


class Relay(OutboxRelay):
    """Counts its looks into the table, and the rows of each pass with what was handed over."""

    looks = 0

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        self.passes: list[int] = []

    async def _publish_handed(self, connection: Connection, rows: Sequence[OutboxRow]) -> None:
        self.passes.append(len(rows))
        await super()._publish_handed(connection, rows)

    async def _publish_batch(self, connection: Connection) -> None:
        self.looks += 1
        await super()._publish_batch(connection)


@dataclass
class Gate:
    """Stored beside the events; while it is closed, the relay waits with what it has in hand."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def store(self, rows: Sequence[OutboxRow]) -> Sequence[BaseException | None]:
        self.waiting.set()
        await self.opened.wait()
        return [None] * len(rows)


@dataclass
class Replica:
    """What of the service folds and announces."""

    database: Database
    broker: Broker
    relay: Relay

    async def fold(self, *told: Told, hand: HandedOver | None = None, hands_over: bool = True) -> Folded:
        """As the projector does it."""
        hand = hand or self.relay.hand
        async with self.database.together() as work:
            folded = await fold(work, [one.entry for one in told], Policy(), datetime.now(UTC), known=hand.known)
        if folded.enqueued and hands_over:
            folded.enqueued.hand_to(hand)
        return folded

    async def left(self) -> int:
        async with self.database.transaction() as connection:
            row = await fetch_one(connection, "SELECT count(*) FROM outbox")
        return int(row[0]) if row else 0

    async def announced(self) -> list[str]:
        """User and version of every announcement, in the stream's order."""
        jetstream, found = self.broker.jetstream, []
        for sequence in range(1, (await jetstream.stream_info(ENTITLEMENTS.name)).state.last_seq + 1):
            data = json.loads((await jetstream.get_msg(ENTITLEMENTS.name, sequence)).data or b"")["data"]
            found.append(f"{data['userId']}:{data['version']}")
        return found

    async def becomes(self, expected: list[str]) -> None:
        """Wait until exactly this is announced, and nothing is left in the table."""
        try:
            async with asyncio.timeout(20):
                while (await self.left(), await self.announced()) != (0, expected):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            assert (await self.left(), await self.announced()) == (0, expected)


@contextlib.asynccontextmanager
async def running(relay: OutboxRelay, until: Callable[[], bool]) -> AsyncIterator[None]:
    """The relay at work, once ``until`` holds."""
    task = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(20):
            while not until():
                await asyncio.sleep(0.01)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def replica(nats_url: str, dsn: str, gate: Gate | None = None) -> AsyncIterator[Replica]:
    database = Database(SecretStr(dsn), "entitlements", pipelined_connections=1, pipelined_options=QUIET)
    broker = Broker(SecretStr(nats_url), "handing-over", streams=(ENTITLEMENTS,))
    await database.start()
    await broker.start()
    try:
        await asyncio.wait_for(asyncio.gather(database.migrated.wait(), broker.connected.wait()), 30)
        yield Replica(database, broker, Relay(database, broker, ENTITLEMENTS, beside=gate))
    finally:
        await broker.close()
        await database.close()


async def test_what_is_handed_over_is_announced_in_order_without_a_look_into_the_table(
    nats_url: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas_kit.messaging.outbox.IDLE_SECONDS", NEVER)
    async with replica(nats_url, postgres_dsn) as here, running(here.relay, lambda: here.relay.hand.known is not None):
        looks, buys = here.relay.looks, [Purchase(f"user-{number}") for number in range(6)]
        for buy in buys:
            await here.fold(buy.paid(at=0))
            await here.fold(buy.charge_refunded(at=60))
        await here.becomes([f"{buy.user}:{version}" for buy in buys for version in (1, 2)])
        assert here.relay.looks == looks


async def test_after_a_large_pass_the_next_one_gathers_what_several_folds_hand_over(
    nats_url: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas_kit.messaging.outbox.GATHER_SECONDS", 3.0)
    monkeypatch.setattr(handed_over, "LONGEST_SECONDS", NEVER)
    async with replica(nats_url, postgres_dsn) as here, running(here.relay, lambda: here.relay.hand.known is not None):
        users = [f"user-{number:02}" for number in range(SMALLEST_BATCH)]
        await here.fold(*(Purchase(user).paid(at=0) for user in users))
        async with asyncio.timeout(20):
            while not here.relay.passes:
                await asyncio.sleep(0.01)
        for user in ("ada", "bob", "cyd"):
            await here.fold(Purchase(user).paid(at=0))
        await here.becomes([f"{user}:1" for user in (*users, "ada", "bob", "cyd")])
        assert here.relay.passes == [SMALLEST_BATCH, 3]


async def test_rows_of_another_writer_are_announced_before_later_ones_that_are_handed_over(
    nats_url: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its notification is lost: the fold sees the rows."""
    monkeypatch.setattr("atlas_kit.messaging.outbox.IDLE_SECONDS", NEVER)
    async with replica(nats_url, postgres_dsn) as here, running(here.relay, lambda: here.relay.hand.known is not None):
        ada, other = Purchase("ada"), HandedOver()
        await here.fold(Purchase("eve").paid(at=0))
        other.known = 10**9  # so its fold wakes nobody
        await here.fold(ada.paid(at=0), hand=other, hands_over=False)
        await here.fold(ada.charge_refunded(at=60))
        await here.becomes(["eve:1", "ada:1", "ada:2"])
        await here.fold(Purchase("bob").paid(at=0))
        await here.becomes(["eve:1", "ada:1", "ada:2", "bob:1"])


async def test_another_replicas_fold_wakes_the_relay(
    nats_url: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas_kit.messaging.outbox.IDLE_SECONDS", NEVER)
    async with replica(nats_url, postgres_dsn) as here, running(here.relay, lambda: here.relay.hand.known is not None):
        await here.fold(Purchase("ada").paid(at=0), hand=HandedOver())  # its relay doesn't lead
        await here.becomes(["ada:1"])


async def test_killed_between_commit_and_handing_over_the_next_one_reads_it(nats_url: str, postgres_dsn: str) -> None:
    dead = HandedOver()
    dead.known = 0
    async with replica(nats_url, postgres_dsn) as here:
        await here.fold(Purchase("ada").paid(at=0), hand=dead, hands_over=False)
        async with running(here.relay, lambda: here.relay.leading.is_set()):
            await here.becomes(["ada:1"])


async def test_a_stopped_relay_has_deleted_what_it_published(
    nats_url: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas_kit.messaging.outbox.DELETE_SECONDS", 5.0)
    async with replica(nats_url, postgres_dsn) as here:
        async with running(here.relay, lambda: here.relay.hand.known is not None):
            await here.fold(Purchase("ada").paid(at=0))
            async with asyncio.timeout(4):
                while not here.relay.hand.published:
                    await asyncio.sleep(0.01)
            assert await here.left() == 1
        assert (await here.left(), await here.announced()) == (0, ["ada:1"])
        await here.fold(Purchase("bob").paid(at=0))
        assert await here.left() == 1, "nobody takes what is handed over after the end"


async def test_who_is_forgotten_while_their_row_waits_in_hand_is_not_announced(
    nats_url: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    async with (
        replica(nats_url, postgres_dsn, gate) as here,
        running(here.relay, lambda: here.relay.hand.known is not None),
    ):
        await here.fold(Purchase("bob").paid(at=0))
        await asyncio.wait_for(gate.waiting.wait(), 10)
        await here.fold(Purchase("ada").paid(at=0))
        await here.fold(Purchase("cyd").paid(at=0))
        async with here.database.transaction() as connection:
            await forget(connection, "ada")
        monkeypatch.setattr(handed_over, "LONGEST_SECONDS", 0.0)
        gate.opened.set()
        await here.becomes(["bob:1", "cyd:1"])


async def test_rows_in_hand_when_the_broker_goes_away_are_announced_when_it_is_back(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, store, buys = free_port(), Path(tempfile.mkdtemp(prefix="atlas-nats-store-")), [Purchase(f"user-{n}") for n in range(9)]
    async with contextlib.AsyncExitStack() as stack:
        with embedded_nats(port=port, store=store) as url:
            here = await stack.enter_async_context(replica(url, postgres_dsn))
            await stack.enter_async_context(running(here.relay, lambda: here.relay.hand.known is not None))
            for buy in buys[:3]:
                await here.fold(buy.paid(at=0))
            await here.becomes(["user-0:1", "user-1:1", "user-2:1"])
        for buy in buys[3:6]:
            await here.fold(buy.paid(at=0))
        async with asyncio.timeout(20):
            while here.relay.hand.known is not None:
                await asyncio.sleep(0.01)
        await here.fold(buys[6].paid(at=0))
        with embedded_nats(port=port, store=store):
            for buy in buys[7:]:
                await here.fold(buy.paid(at=0))
            async with asyncio.timeout(20):
                while not here.broker.connection.is_connected:
                    await asyncio.sleep(0.02)
            await here.becomes([f"user-{number}:1" for number in range(9)])
            await stack.aclose()
