"""``database`` strategy: the cookie has a random token, and the Atlas database says to which user it belongs.

It is looked up on every request, so that a revoked session is over at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
from psycopg import AsyncClientCursor
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composable, Identifier
from psycopg_pool import PoolClosed, PoolTimeout
from starlette.datastructures import Headers

from account_gateway.session.cookies import cookie_names, session_cookies
from atlas_contracts.user_id import is_user_id
from atlas_kit.http.errors import Unavailable
from atlas_kit.storage.atlas_database import AtlasDatabase
from atlas_kit.storage.database import Connection, new_pool

POOL_SIZE = 8
ACQUIRE_SECONDS = 3.0
MAX_OPAQUE_TOKEN_LENGTH = 512
"""Auth.js makes a UUID; a custom generator may be longer."""
_READ_ONLY = SQL("BEGIN READ ONLY; SET LOCAL statement_timeout = '3s'; {}; COMMIT")
"""One message to the server. A transaction pooler in between (PgBouncer) accepts no options at connecting, and may send
the next message to another server: only within one message is a statement sure to be read-only and bounded.
"""
_LOOK_UP = SQL('SELECT "userId"::text, expires FROM {} WHERE "sessionToken" = %s')
_STATEMENTS_BEFORE = 2


class SessionsUnavailable(Unavailable):
    """The Atlas database doesn't answer."""


class StoredSessions:
    """Reads sessions from the Atlas database, which it can't change."""

    def __init__(
        self, database: AtlasDatabase, *, secure: bool, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._names = cookie_names(secure=secure)
        self._now = now
        self._look_up = _LOOK_UP.format(Identifier(database.schema, "Session"))
        self._pool = new_pool(
            database.url, "account-gateway", size=POOL_SIZE, acquire_seconds=ACQUIRE_SECONDS, autocommit=True
        )

    async def start(self) -> None:
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()

    async def user_of(self, headers: Headers) -> str | None:
        for cookie in session_cookies(headers, self._names):
            if user_id := await self._user(cookie.value):
                return user_id
        return None

    async def check(self) -> None:
        await self._row("readiness")

    async def _user(self, token: str) -> str | None:
        if len(token) > MAX_OPAQUE_TOKEN_LENGTH or not token.isprintable():
            return None
        row = await self._row(token)
        if row is None:
            return None
        user_id, expires = row
        # Prisma stores UTC in a timestamp without time zone.
        expires = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
        return user_id if expires > self._now() and is_user_id(user_id) else None

    async def _row(self, token: str) -> TupleRow | None:
        try:
            async with self._pool.connection() as connection:
                return await read_only(connection, self._look_up, token)
        except (psycopg.Error, PoolTimeout, PoolClosed) as error:
            raise SessionsUnavailable from error


async def read_only(connection: Connection, query: Composable, *parameters: str) -> TupleRow | None:
    """The first row of ``query``, run in a transaction in which Postgres refuses every change."""
    async with AsyncClientCursor(connection) as cursor:  # whole statements, and never a prepared one
        await cursor.execute(_READ_ONLY.format(query), parameters)
        for _ in range(_STATEMENTS_BEFORE):
            cursor.nextset()
        return await cursor.fetchone()
