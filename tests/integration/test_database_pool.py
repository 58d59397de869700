"""The pool and a database that goes away: back with it, however long it was gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from atlas_kit.storage.database import Connection, Database, DatabaseUnavailable
from atlas_localstack.servers.ports import LOOPBACK, free_port
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


async def test_a_connection_to_a_server_that_takes_no_writes_any_more_is_thrown_away(
    way: tuple[Database, Proxies],
) -> None:
    """As after a promotion, where the former primary lives on as a standby; the next connection finds the new one."""
    database, _ = way
    async with database.transaction() as connection:
        await connection.execute("SET default_transaction_read_only = on")
        (demoted,) = await one_row(connection, "SELECT pg_backend_pid()")
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as connection:
            assert await one_row(connection, "SELECT pg_backend_pid()") == (demoted,)
            await connection.execute("CREATE TABLE written (at int)")
    async with database.transaction() as connection:
        assert await one_row(connection, "SELECT pg_backend_pid()") != (demoted,)
        await connection.execute("CREATE TABLE written (at int)")


async def one_row(connection: Connection, query: LiteralString) -> tuple[Any, ...]:
    row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return row


async def test_the_host_that_takes_writes_is_found_among_several(postgres_dsn: str) -> None:
    """Also by what migrates, which goes through SQLAlchemy."""
    server = urlsplit(postgres_dsn)
    account, _, address = server.netloc.rpartition("@")
    hosts = server._replace(netloc=f"{account}@{LOOPBACK}:{free_port()},{address}", query="target_session_attrs=read-write")
    database = Database(SecretStr(hosts.geturl()), "checkout")
    await database.start()
    try:
        await asyncio.wait_for(database.migrated.wait(), 30)
        await database.check()
        async with await database.connect_alone("a lease") as connection:
            assert await one_row(connection, "SELECT pg_is_in_recovery()") == (False,)
    finally:
        await database.close()
