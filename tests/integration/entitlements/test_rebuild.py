"""The projection can be lost: rebuild makes it again from the ledger, row by row the same."""

from __future__ import annotations

import asyncio
from random import Random

import psycopg

from atlas_kit.storage import migrations
from atlas_kit.storage.together import working
from entitlements.domain.policy import Policy
from entitlements.use_cases import rebuild
from entitlements.use_cases.compare_projections import Differences
from entitlements.use_cases.fold import fold
from support.facts import Purchase, grant, revoke, when
from support.histories import random_history

SHOWN = {
    # Without the request id: it is that of the run that corrected the row, as in what it announces.
    "entitlements": "SELECT user_id, is_pro, status, source, active_from, active_until, version, reason, caused_by, updated_at FROM entitlements WHERE status <> 'none' ORDER BY user_id",
    "payments": "SELECT * FROM payments ORDER BY id",
    "payment_refs": "SELECT * FROM payment_refs ORDER BY ref",
    "payment_facts": "SELECT * FROM payment_facts ORDER BY seq",
}


def test_every_row_comes_back_from_the_ledger_with_its_version_cause_and_ties(postgres_dsn):
    migrations.upgrade(postgres_dsn, "entitlements")
    asyncio.run(_fold_live(postgres_dsn))
    live = _projection(postgres_dsn)
    assert _verified(postgres_dsn).count == 0
    for damage in (
        "UPDATE entitlements SET is_pro = NOT is_pro",
        "DELETE FROM payment_facts",
        "DELETE FROM payment_refs WHERE ref LIKE 'stripe:charge:%'",
        "DELETE FROM entitlements; DELETE FROM payments; DELETE FROM payment_refs; DELETE FROM payment_facts",
    ):
        with psycopg.connect(postgres_dsn) as connection:
            connection.execute(damage.encode())
        assert _verified(postgres_dsn).count > 0, damage
        asyncio.run(rebuild.rebuild(postgres_dsn, Policy(), lambda _done, _total: None))
        assert _verified(postgres_dsn).count == 0, damage
    assert _projection(postgres_dsn) == live


async def _fold_live(dsn: str) -> None:
    told = [*random_history(Random(7)), *random_history(Random(8)), *random_history(Random(9))]
    bought = Purchase("ada")
    told += [bought.recorded(), bought.paid(at=0), bought.charge_refunded(at=60), grant("ada", 90), revoke("ada", 95)]
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        for number, one in enumerate(told):
            async with working(connection) as work:
                await fold(work, [one.entry], Policy(), when(10**6 + number))


def _verified(dsn: str) -> Differences:
    return asyncio.run(rebuild.verify(dsn, Policy(), lambda _done, _total: None))[1]


def _projection(dsn: str) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(dsn) as connection:
        return {name: connection.execute(query).fetchall() for name, query in SHOWN.items()}
