"""Somebody else takes what the services need: every connection that Postgres has, the rows, the sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psycopg
from psycopg import AsyncConnection

from atlas_localstack.servers.ports import LOOPBACK

OTHERS = "somebody else"
LOCKED = {"entitlements": "entitlements", "checkout": "checkout_attempts"}
"""Of each database the table that nearly every request reads."""
CROWD = 300
HALF_A_REQUEST = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: "
MOST = 200
ROUNDS = 20
END_THEIRS = """SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
WHERE usename = current_user AND backend_type = 'client backend' AND application_name <> %s"""


@contextlib.asynccontextmanager
async def no_connections_left(dsn: str) -> AsyncIterator[int]:
    """Take all of Postgres's ``max_connections``, those of the services of this database included; how many.

    Raises psycopg.OperationalError when the server is away.
    """
    async with contextlib.AsyncExitStack() as held:
        first = await held.enter_async_context(await _connection(dsn))
        taken = 1 + await _take_the_rest(dsn, held)
        for _ in range(ROUNDS):  # a service may be faster with what it has just lost
            if not (await (await first.execute(END_THEIRS, (OTHERS,))).fetchall()):
                break
            taken += await _take_the_rest(dsn, held)
        yield taken


async def _take_the_rest(dsn: str, held: contextlib.AsyncExitStack) -> int:
    """Until the server refuses."""
    for taken in range(MOST):
        try:
            await held.enter_async_context(await _connection(dsn))
        except psycopg.OperationalError:
            return taken
    raise AssertionError(f"the server takes more than {MOST} connections")


async def _connection(dsn: str) -> AsyncConnection:
    return await AsyncConnection.connect(dsn, autocommit=True, application_name=OTHERS, connect_timeout=5)


@contextlib.asynccontextmanager
async def rows_locked(dsn: str, database: str) -> AsyncIterator[None]:
    """Nobody else reads or writes the table: every query waits, holding its connection of the pool.

    Raises psycopg.OperationalError when the server is away.
    """
    async with await AsyncConnection.connect(dsn, application_name=OTHERS, connect_timeout=5) as connection:
        await connection.execute("SET lock_timeout = '5s'")
        await connection.execute(f"LOCK TABLE {LOCKED[database]} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        await connection.rollback()


@contextlib.asynccontextmanager
async def crowd(port: int, size: int = CROWD) -> AsyncIterator[int]:
    """So many clients that begin a request and never end it; how many got in."""
    answers = await asyncio.gather(
        *(asyncio.open_connection(LOOPBACK, port) for _ in range(size)), return_exceptions=True
    )
    writers = [answer[1] for answer in answers if not isinstance(answer, BaseException)]
    try:
        for writer in writers:
            writer.write(HALF_A_REQUEST)
        yield len(writers)
    finally:
        for writer in writers:
            writer.transport.abort()
