"""What a fold reads doesn't grow with what the tables hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from atlas_kit.storage.database import Connection, Database
from entitlements.domain.policy import Policy
from entitlements.use_cases.fold import fold
from support.entitlements import migrated
from support.facts import Purchase, Told

pytestmark = pytest.mark.anyio

MANY, FEW = 1_000, 20
READ = """
SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
WHERE seq_tup_read > 0 OR idx_tup_fetch > %s
"""


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    async with migrated(postgres_dsn, pipelined_connections=1) as database:
        yield database


async def read_too_much(connection: Connection) -> dict[str, int]:
    """Rows that this transaction has read, by table, where it read a table from end to end, by an index or without."""
    return dict(await (await connection.execute(READ, (FEW,))).fetchall())


async def folded(database: Database, told: Sequence[Told]) -> dict[str, int]:
    async with database.together() as work:
        await fold(work, [one.entry for one in told], Policy(), datetime.now(UTC))
        await work.ask()  # what it writes, now and not with the commit
        return await read_too_much(work.connection)


async def test_a_fold_finds_its_rows_by_index_also_with_plans_made_when_the_tables_were_empty(database: Database) -> None:
    for number in range(10):  # long enough that the statements are prepared and their plans kept
        await folded(database, [Purchase(f"early_{number}").paid(at=0)])
    for begin in range(0, MANY, 250):
        await folded(database, [Purchase(f"user_{number}").paid(at=0) for number in range(begin, begin + 250)])
    bought = Purchase("ada")
    steps = [[bought.paid(at=0)], [bought.charge_refunded(at=60, amount=999)], [Purchase("user_7").paid(at=90)], [Purchase("bob").paid(at=0)]]
    for step in steps:
        assert await folded(database, step) == {}
    async with database.transaction() as connection:
        await connection.execute("ANALYZE")  # makes every kept plan anew
    for step in ([Purchase("eve").paid(at=0)], [Purchase("user_8").paid(at=90)], [bought.named("carol", at=120)]):
        assert await folded(database, step) == {}
