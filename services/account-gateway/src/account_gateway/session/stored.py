"""``database`` strategy: the cookie holds an opaque token; the Atlas database knows whose it is.

Every request looks: a session that was revoked is over at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout
from pydantic import SecretStr
from starlette.datastructures import Headers

from account_gateway.session.cookies import cookie_names, session_cookies
from atlas_contracts.user_id import is_user_id
from atlas_kit.errors import Unavailable

POOL_SIZE = 8
ACQUIRE_SECONDS = 3.0
MAX_OPAQUE_TOKEN_LENGTH = 512
"""Auth.js makes a UUID; a custom generator may be longer."""
_READ_ONLY = "-c default_transaction_read_only=on -c statement_timeout=3s -c timezone=UTC"
_LOOK_UP = 'SELECT "userId", expires FROM "Session" WHERE "sessionToken" = %s'


class SessionsUnavailable(Unavailable):
    """The Atlas database doesn't answer."""


class StoredSessions:
    """Reads sessions from the Atlas database, which it can't change."""

    def __init__(
        self, url: SecretStr, *, secure: bool, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._names = cookie_names(secure=secure)
        self._now = now
        self._pool = AsyncConnectionPool[AsyncConnection[TupleRow]](
            url.get_secret_value(),
            min_size=1,
            max_size=POOL_SIZE,
            open=False,
            timeout=ACQUIRE_SECONDS,
            kwargs={"options": _READ_ONLY, "application_name": "atlas-account-gateway", "autocommit": True},
            reconnect_failed=lambda _pool: None,
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
                cursor = await connection.execute(_LOOK_UP, (token,))
                return await cursor.fetchone()
        except (psycopg.OperationalError, psycopg.ProgrammingError, PoolTimeout, PoolClosed) as error:
            raise SessionsUnavailable from error
