"""The pool and a database that goes away: back with it, however long it was gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from atlas_devstack.servers.ports import LOOPBACK, free_port
from atlas_kit.database import Database, DatabaseUnavailable
from support.faults.proxy import Link, Proxies

pytestmark = pytest.mark.anyio
AWAY_SECONDS = 8.0
"""Pauses that double, from a second on, try after 7 s and not again before 15 s."""
NOTICED_SECONDS = 4.5


@pytest.fixture
async def way(postgres_dsn: str) -> AsyncIterator[tuple[Database, Proxies]]:
    server = urlsplit(postgres_dsn)
    assert server.port
    link = Link("database", free_port(), server.port)
    with Proxies({"database": link}) as proxies:
        url = postgres_dsn.replace(server.netloc.rpartition("@")[2], f"{LOOPBACK}:{link.port}")
        database = Database(SecretStr(url), "checkout")
        await database.start()
        await asyncio.wait_for(database.migrated.wait(), 30)
        yield database, proxies
        await database.close()


async def test_a_database_that_was_away_is_noticed_within_seconds(way: tuple[Database, Proxies]) -> None:
    database, proxies = way
    await database.check()
    proxies.call("database", "refuse")
    back = time.monotonic() + AWAY_SECONDS

    async def ask() -> bool:
        try:
            await database.check()
        except DatabaseUnavailable:
            await asyncio.sleep(0.2)
            return False
        return True

    while time.monotonic() < back:
        asking = asyncio.create_task(ask())
        await asyncio.wait([asking], timeout=max(0.0, back - time.monotonic()))
        assert not (asking.done() and asking.result()), "away"
    proxies.heal()
    while not await ask():
        assert time.monotonic() - back < NOTICED_SECONDS, "it is back, and nobody noticed"
    assert time.monotonic() - back < NOTICED_SECONDS


async def test_a_table_that_is_still_being_made_is_a_database_that_is_not_there_yet(postgres_dsn: str) -> None:
    database = Database(SecretStr(postgres_dsn), "checkout")
    await database._pool.open()
    try:
        for migrated, error in ((False, DatabaseUnavailable), (True, psycopg.errors.UndefinedTable)):
            if migrated:
                database.migrated.set()
            with pytest.raises(error):
                async with database.transaction() as connection:
                    await connection.execute("SELECT * FROM not_made_yet")
    finally:
        await database.close()


async def test_a_process_that_stood_still_in_a_transaction_hears_that_the_database_is_gone(
    way: tuple[Database, Proxies],
) -> None:
    database, _ = way
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as connection:
            await connection.execute("SET idle_in_transaction_session_timeout = '50ms'")
            await asyncio.sleep(0.5)
            await connection.execute("SELECT 1")
    await database.check()
