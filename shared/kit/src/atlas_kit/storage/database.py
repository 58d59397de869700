"""The service's own Postgres database: a pool, transactions, migrations at start, one error when it doesn't answer.

``async with database.transaction() as connection`` is one unit of work. It commits at its end and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain, repeat
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout
from pydantic import SecretStr

from atlas_kit.http.errors import Unavailable
from atlas_kit.process.logs import get_logger
from atlas_kit.process.metrics import NOT_STORED
from atlas_kit.storage import migrations
from atlas_kit.storage.together import Work, working
from atlas_kit.tracing.work import transaction as span_of_transaction

log = get_logger()

ACQUIRE_SECONDS = 5.0
"""Time limit for getting a connection from the pool."""
CONNECT_SECONDS = 5
"""Time limit for making a connection. By default a server that accepts it and then stays silent would block us for two
minutes."""
RECONNECT_SECONDS = 5.0
"""How long the pool tries to replace a lost connection, with pauses that double; after that the next request tries.
With the default of 300 s the pauses grow to two minutes, so a database that is back could stay unnoticed that long.
"""
RETRY_SECONDS = (0.2, 0.5, 1.0, 1.0, 2.0)
"""Pauses before the next try to reach and migrate the database; the last one repeats."""
SERVER_NOTICES = (
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=25s"
)
"""Lets the server notice within half a minute that a client is gone (network cut, machine lost). By default this takes
two hours, and the client's locks, such as the outbox's, are held until then."""
CLIENT_NOTICES: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""Lets the client notice that the server is gone. Values in seconds, ``tcp_user_timeout`` in milliseconds."""
SESSION_OPTIONS = (
    "-c statement_timeout=15s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s -c timezone=UTC"
    f" {SERVER_NOTICES}"
)
PLANS_BY_KEY = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
"""For statements that find a few rows by their keys, time after time: each is planned once, by index. Planning a fold's
statements took a third of Postgres' time, and a plan made while a table was small reads it from end to end for as long
as the connection lives or until the next vacuum."""
Connection = AsyncConnection[TupleRow]
GONE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,  # the connection was closed
    psycopg.errors.IdleInTransactionSessionTimeout,  # this process paused in a transaction for longer than allowed
    psycopg.errors.ReadOnlySqlTransaction,  # the server was the primary, and is a standby now
    PoolTimeout,
    PoolClosed,
)
"""The errors by which psycopg reports that the server went away or has ended our connection."""


class DatabaseUnavailable(Unavailable):
    """The database doesn't answer, or no connection was free in time.

    If the connection was lost during a commit, the change may have been made: repeat only what may be done twice.
    """


class ConnectionLost(DatabaseUnavailable):
    """The connection ended while it was used: its server has gone, or another one is the primary now. The pool has put
    the other connections to it away, so a question may be asked again at once.
    """


def new_pool(
    url: str, application: str, *, size: int, acquire_seconds: float = ACQUIRE_SECONDS, **parameters: Any
) -> AsyncConnectionPool[Connection]:
    """A pool as every service uses it: each side notices when the other is gone, and the next request notices when the
    database is back. Time limits in ``url`` take precedence over ours.
    """
    told = {"connect_timeout": CONNECT_SECONDS, **CLIENT_NOTICES, **conninfo_to_dict(url)}
    return AsyncConnectionPool[Connection](
        "",
        min_size=1,
        max_size=size,
        open=False,
        timeout=acquire_seconds,
        kwargs={**told, "application_name": f"atlas-{application}", **parameters},
        check=None,
        reconnect_timeout=RECONNECT_SECONDS,
        reconnect_failed=lambda _pool: None,
    )


class Database:
    """A pool of connections to one database. ``start()`` returns at once; ``check()`` tells whether it is ready."""

    def __init__(
        self,
        url: SecretStr,
        package: str,
        *,
        migration_url: SecretStr | None = None,
        pool_size: int = 10,
        statement_connections: int = 0,
        pipelined_connections: int = 0,
        pipelined_options: str = "",
    ) -> None:
        self._package = package
        self._migration_url = (migration_url or url).get_secret_value()
        self.dsn = url.get_secret_value()
        self._pool = new_pool(self.dsn, package, size=pool_size, options=SESSION_OPTIONS)
        self._statements = (
            new_pool(self.dsn, package, size=statement_connections, options=SESSION_OPTIONS, autocommit=True)
            if statement_connections
            else None
        )
        by_key = f"{SESSION_OPTIONS} {PLANS_BY_KEY} {pipelined_options}"
        self._pipelined = (
            new_pool(self.dsn, package, size=pipelined_connections, options=by_key) if pipelined_connections else None
        )
        self._starting: asyncio.Task[None] | None = None
        self.migrated = asyncio.Event()
        """Set once the schema is the one this code expects."""

    async def start(self) -> None:
        for pool in self._pools():
            await pool.open(wait=False)
        self._starting = asyncio.create_task(self._migrate_until_done(), name="database-migrate")

    async def close(self) -> None:
        if self._starting:
            self._starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._starting
        for pool in self._pools():
            await pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One unit of work: commits when the block ends, rolls back when it raises.

        Raises DatabaseUnavailable if the server is away or doesn't answer, or if its tables don't exist yet.
        """
        async with self._connection(self._pool) as connection:
            yield connection

    @asynccontextmanager
    async def together(self) -> AsyncIterator[Work]:
        """The same for statements that travel together, and with the commit; their plans are :data:`PLANS_BY_KEY`.

        Needs ``pipelined_connections``.
        """
        assert self._pipelined, "a service that uses this says how many connections it needs"
        async with self._connection(self._pipelined) as connection, working(connection) as work:
            yield work

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """A connection on which each statement is a transaction of its own: one round trip where BEGIN, the statement
        and COMMIT are three. Raises what :meth:`transaction` does; needs ``statement_connections``.
        """
        assert self._statements, "a service that uses this says how many connections it needs"
        async with self._connection(self._statements) as connection:
            yield connection

    @asynccontextmanager
    async def _connection(self, pool: AsyncConnectionPool[Connection]) -> AsyncIterator[Connection]:
        """A connection of the pool. Raises DatabaseUnavailable for those of psycopg's errors that mean that the server
        isn't there or ready.
        """
        lost = False
        try:
            with span_of_transaction(self._package):
                async with pool.connection() as connection:
                    try:
                        yield connection
                    except GONE as error:
                        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                            await connection.close()  # the next one finds the new primary
                        if lost := connection.closed:
                            await pool.drain()
                        raise
        except GONE as error:
            if isinstance(error, psycopg.errors.DiskFull):
                NOT_STORED.labels("database").inc()
            raise (ConnectionLost if lost else DatabaseUnavailable) from error
        except psycopg.ProgrammingError as error:
            if self.migrated.is_set():
                raise
            raise DatabaseUnavailable from error  # the migration, which makes the tables, has not ended

    def _pools(self) -> list[AsyncConnectionPool[Connection]]:
        return [pool for pool in (self._pool, self._statements, self._pipelined) if pool]

    async def connect_alone(self, name: str) -> Connection:
        """A connection outside the pool, to hold a lock; each statement commits. Raises psycopg.OperationalError."""
        return await AsyncConnection.connect(
            self.dsn,
            autocommit=True,
            application_name=name,
            connect_timeout=CONNECT_SECONDS,
            options=SERVER_NOTICES,
            **CLIENT_NOTICES,
        )

    async def check(self) -> None:
        """Readiness: migrated, and a query is answered. Raises DatabaseUnavailable."""
        if not self.migrated.is_set():
            raise DatabaseUnavailable
        async with self.transaction() as connection:
            await connection.execute("SELECT 1")

    async def _migrate_until_done(self) -> None:
        for pause in chain(RETRY_SECONDS, repeat(RETRY_SECONDS[-1])):
            try:
                await asyncio.to_thread(migrations.upgrade, self._migration_url, self._package)
            except psycopg.OperationalError as error:
                log.warning("database.not_available", error=type(error).__name__, again_in=pause)
            except Exception:
                log.exception("database.migration_failed", again_in=pause)
            else:
                self.migrated.set()
                return
            await asyncio.sleep(pause)


async def fetch_one(connection: Connection, query: str, *parameters: Any) -> TupleRow | None:
    cursor = await connection.execute(query.encode(), parameters)
    return await cursor.fetchone()
