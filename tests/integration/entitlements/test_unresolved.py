"""Charges that nothing ties to a payment: each is asked for, the one that waited longest first, and by one replica."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import AsyncConnection

from atlas_kit.http.errors import AtlasError, NotFound, Unavailable
from atlas_kit.storage.database import Database
from atlas_kit.storage.together import working
from entitlements.domain.policy import Policy
from entitlements.use_cases import resolve_charges as unresolved
from entitlements.use_cases.fold import fold
from entitlements.use_cases.resolve_charges import ChargeResolver
from support.entitlements import migrated
from support.facts import Purchase, Told

pytestmark = pytest.mark.anyio


class Checkout:
    """Stands for the checkout service: notes what it is asked for, and fails where it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing: dict[str, AtlasError] = {}

    async def post(self, path: str, *_: Any, **__: Any) -> None:
        charge = path.split("/")[3]
        self.asked.append(charge)
        if charge in self.failing:
            raise self.failing[charge]


async def folded(database: Database, told: Sequence[Told]) -> None:
    async with database.transaction() as connection, working(connection) as work:
        await fold(work, [one.entry for one in told], Policy(), datetime.now(UTC))


def lone_dispute(buy: Purchase) -> Told:
    """Names the charge and nothing else."""
    return buy.dispute(payment_intent=False).told("needs_response", at=60)


def resolver(database: Database, checkout: Checkout) -> ChargeResolver:
    return ChargeResolver(database, checkout, asyncio.Condition())  # type: ignore[arg-type]  # all that is used of it


async def hours_later(dsn: str, hours: float) -> None:
    async with await AsyncConnection.connect(dsn) as connection:
        await connection.execute("UPDATE charge_lookups SET ask_at = ask_at - %s * interval '1 hour'", (hours,))


async def test_every_charge_is_asked_for_oldest_first_however_many_there_are(postgres_dsn: str) -> None:
    buys = [Purchase(None) for _ in range(250)]
    async with migrated(postgres_dsn) as ours:
        await folded(ours, [lone_dispute(buy) for buy in buys])
        checkout = Checkout()
        for looks in range(1, 4):
            await resolver(ours, checkout).resolve_all()  # a new one each time: what was asked is no process's secret
            assert checkout.asked == [buy.charge for buy in buys][: looks * unresolved.CHARGES_AT_ONCE]
        await resolver(ours, checkout).resolve_all()
        assert len(checkout.asked) == 250, "none is asked for twice within the hour"
        await hours_later(postgres_dsn, 1.1)
        await resolver(ours, checkout).resolve_all()
        assert checkout.asked[250:] == [buy.charge for buy in buys][: unresolved.CHARGES_AT_ONCE]


async def test_what_is_tied_meanwhile_or_was_from_the_start_is_not_asked_for(postgres_dsn: str) -> None:
    tied, later = Purchase("ada"), Purchase("bob")
    async with migrated(postgres_dsn) as ours:
        await folded(ours, [tied.paid(at=0), tied.charge_refunded(at=5, amount=1), lone_dispute(tied), lone_dispute(later)])
        checkout = Checkout()
        await resolver(ours, checkout).resolve_all()
        assert checkout.asked == [later.charge]
        await folded(ours, [later.paid(at=0), later.charge_refunded(at=70, amount=1)])
        await hours_later(postgres_dsn, 2)
        await resolver(ours, checkout).resolve_all()
        assert checkout.asked == [later.charge]
        async with ours.transaction() as connection:
            assert await (await connection.execute("SELECT count(*) FROM charge_lookups")).fetchone() == (0,)


async def test_a_charge_that_cannot_be_read_does_not_keep_the_others_waiting(postgres_dsn: str) -> None:
    bad, unknown, good = Purchase(None), Purchase(None), Purchase(None)
    async with migrated(postgres_dsn) as ours:
        await folded(ours, [lone_dispute(buy) for buy in (bad, unknown, good)])
        checkout = Checkout()
        checkout.failing = {bad.charge: Unavailable(), unknown.charge: NotFound()}
        await resolver(ours, checkout).resolve_all()
        assert checkout.asked == [bad.charge], "who doesn't answer isn't pressed"
        await resolver(ours, checkout).resolve_all()
        assert checkout.asked == [bad.charge, unknown.charge, good.charge]
        await hours_later(postgres_dsn, 0.1)
        await resolver(ours, checkout).resolve_all()
        assert checkout.asked[3:] == [bad.charge], "asked again after a minute, the others after an hour"


async def test_two_replicas_never_ask_for_the_same_charge(postgres_dsn: str) -> None:
    buys = [Purchase(None) for _ in range(60)]
    async with migrated(postgres_dsn) as ours:
        await folded(ours, [lone_dispute(buy) for buy in buys])
        checkout = Checkout()
        await asyncio.gather(*(resolver(ours, checkout).resolve_all() for _ in range(3)))
        assert sorted(checkout.asked) == sorted(buy.charge for buy in buys)


async def test_looking_costs_no_scan_of_the_payments(postgres_dsn: str) -> None:
    async with migrated(postgres_dsn) as ours:
        await folded(ours, [lone_dispute(Purchase(None)) for _ in range(100)])
        await resolver(ours, Checkout()).resolve_all()
        async with ours.transaction() as connection:
            await connection.execute("SET LOCAL enable_seqscan = off")  # few rows: whether an index fits, not which is cheaper
            for statement, parameters in (
                (unresolved._LIST, (0, 1)),
                (unresolved._CLAIM, (1,)),
                (unresolved._STILL_UNTIED, {"payment": 1}),
            ):
                cursor = await connection.execute(f"EXPLAIN {statement}".encode(), parameters)
                plan = "\n".join(row[0] for row in await cursor.fetchall())
                assert "Seq Scan" not in plan, plan
