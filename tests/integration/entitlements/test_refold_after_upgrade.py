"""When the projection counts as made by an older version of the fold."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from atlas_kit.storage.together import working
from entitlements.domain.fold_version import FOLD_VERSION
from entitlements.domain.policy import Policy
from entitlements.use_cases.fold import fold
from entitlements.use_cases.refold_after_upgrade import is_behind
from support.entitlements import query
from support.facts import Purchase, when

MARK = "SELECT reading, until FROM projection_reading"


def behind(dsn: str) -> bool:
    async def ask() -> bool:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            return await is_behind(connection)

    return asyncio.run(ask())


@pytest.fixture
def folded(postgres_dsn: str) -> str:
    """A database of which this version has folded one fact since it was new."""

    async def take_in() -> None:
        async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection, working(connection) as work:
            await fold(work, [Purchase("ada").paid(at=0).entry], Policy(), when(10**6))

    assert not behind(postgres_dsn)
    asyncio.run(take_in())
    return postgres_dsn


def test_a_new_database_is_marked_as_ours_without_a_rebuild(postgres_dsn: str) -> None:
    assert query(postgres_dsn, MARK)[0][0] < FOLD_VERSION
    assert not behind(postgres_dsn)
    assert query(postgres_dsn, MARK) == [(FOLD_VERSION, 0)]


def test_what_this_version_folded_needs_no_rebuild(folded: str) -> None:
    assert not behind(folded)
    assert query(folded, MARK) == query(folded, f"SELECT {FOLD_VERSION}::bigint, max(seq) FROM ledger")


def test_what_an_older_replica_folds_after_the_mark_is_behind(folded: str) -> None:
    with psycopg.connect(folded) as connection:
        connection.execute("SET session_replication_role = replica")  # without the triggers that keep the ledger as it is
        connection.execute("UPDATE ledger SET read_by = %s", (FOLD_VERSION - 1,))
    assert behind(folded)


def test_an_older_mark_over_a_ledger_with_facts_is_behind(folded: str) -> None:
    with psycopg.connect(folded) as connection:
        connection.execute("UPDATE projection_reading SET reading = %s", (FOLD_VERSION - 1,))
    assert behind(folded)


def test_a_newer_mark_is_left_as_it_is(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("UPDATE projection_reading SET reading = %s, until = 7", (FOLD_VERSION + 1,))
    assert not behind(postgres_dsn)
    assert query(postgres_dsn, MARK) == [(FOLD_VERSION + 1, 7)]
