"""``database`` strategy: sessions in the Atlas database, which the gateway only reads."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from starlette.datastructures import Headers

from account_gateway.session.stored import SessionsUnavailable, StoredSessions, read_only
from atlas_kit.storage.atlas_database import read_atlas_url
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.faults.proxy import Link, Proxies
from support.gateway import entitlement_view, running_gateway, stand_in
from support.pooler import pooler

ENTITLEMENT = "/api/pro/entitlement"
COOKIES = ["next-auth.session-token", "authjs.session-token"]
AWAY_SECONDS = 8.0
"""Pauses that double, from a second on, try after 7 s and not again before 15 s."""
NOTICED_SECONDS = 4.5
# As Prisma makes it from the Atlas schema.
TABLE = """CREATE TABLE "Session" ("id" TEXT PRIMARY KEY, "sessionToken" TEXT UNIQUE NOT NULL, "userId" TEXT NOT NULL,
           "expires" TIMESTAMP(3) NOT NULL)"""


@dataclass
class Atlas:
    client: httpx.Client
    dsn: str

    def session(self, user: str = "user_1", token: str | None = None, **later: float) -> str:
        token = token or secrets.token_urlsafe(24)
        expires = (datetime.now(UTC) + timedelta(**(later or {"hours": 1}))).replace(tzinfo=None)
        self.execute('INSERT INTO "Session" VALUES (%s, %s, %s, %s)', secrets.token_hex(8), token, user, expires)
        return token

    def execute(self, query: str, *parameters: Any) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(query, parameters)

    def read(self, token: str, cookie: str = COOKIES[0]) -> httpx.Response:
        return self.client.get(ENTITLEMENT, headers={"cookie": f"{cookie}={token}"})


@pytest.fixture
def atlas(postgres_dsn: str) -> Iterator[Atlas]:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(TABLE)
    with stand_in() as entitlements:
        entitlements.answer("GET /internal/entitlement", entitlement_view("user_1"))
        environment = {"NEXTAUTH_SESSION_STRATEGY": "database", "ATLAS_DATABASE_URL": postgres_dsn}
        with running_gateway(ENTITLEMENTS_URL=entitlements.url, **environment) as client:
            yield Atlas(client, postgres_dsn)


@pytest.mark.parametrize("cookie", COOKIES)
def test_a_session_that_is_there_is_its_users(atlas: Atlas, cookie: str) -> None:
    assert atlas.read(atlas.session(), cookie).status_code == 200


def test_an_expired_session_is_refused(atlas: Atlas) -> None:
    assert atlas.read(atlas.session(seconds=-1)).status_code == 401
    assert atlas.read(atlas.session(seconds=60)).status_code == 200


def test_a_revoked_session_is_over_at_once(atlas: Atlas) -> None:
    token = atlas.session()
    assert atlas.read(token).status_code == 200
    atlas.execute('DELETE FROM "Session"')
    assert atlas.read(token).status_code == 401


@pytest.mark.parametrize("token", ["unknown", "", "' OR 1=1 --", "%00", "a" * 600, "%0d%0a", "é"])
def test_an_unknown_token_is_nobodys(atlas: Atlas, token: str) -> None:
    atlas.session()
    response = atlas.client.get(ENTITLEMENT, headers={"cookie": f"{COOKIES[0]}={token}".encode()})
    assert response.status_code == 401


def test_an_encoded_token_is_decoded(atlas: Atlas) -> None:
    atlas.session(token="a+b/c=")
    assert atlas.read("a%2Bb%2Fc%3D").status_code == 200


def test_an_encrypted_cookie_is_no_session_here(atlas: Atlas) -> None:
    from support.gateway import cookie_of

    assert atlas.client.get(ENTITLEMENT, headers=cookie_of("user_1")).status_code == 401
    token = atlas.session()
    assert atlas.client.get(ENTITLEMENT, headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_the_gateway_cannot_write(postgres_dsn: str) -> None:
    async def attempt() -> None:
        sessions = StoredSessions(read_atlas_url(postgres_dsn), secure=False)
        await sessions.start()
        try:
            for _ in range(2):  # and what was refused leaves a connection that works
                async with sessions._pool.connection() as connection:
                    assert await read_only(connection, SQL("SELECT 1")) == (1,)
                with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                    async with sessions._pool.connection() as connection:
                        await read_only(connection, SQL("CREATE TABLE probe (id int)"))
        finally:
            await sessions.close()

    asyncio.run(attempt())


PRISMA = "connection_limit=5&pool_timeout=20&connect_timeout=10&socket_timeout=10&statement_cache_size=0&pgbouncer=true&sslmode=prefer&sslaccept=accept_invalid_certs"


@pytest.mark.parametrize("schema", ["public", "atlas app"])
def test_the_web_apps_own_url_does(postgres_dsn: str, schema: str) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
        connection.execute(SQL("SET search_path TO {}").format(Identifier(schema)))
        connection.execute(TABLE)
        connection.execute("""INSERT INTO "Session" VALUES ('1', 'token', 'user_1', now() + interval '1 hour')""")
    url = f"{postgres_dsn}?schema={schema.replace(' ', '%20')}&{PRISMA}"
    environment = {"NEXTAUTH_SESSION_STRATEGY": "database", "ATLAS_DATABASE_URL": url}
    with stand_in() as entitlements:
        entitlements.answer("GET /internal/entitlement", entitlement_view("user_1"))
        with running_gateway(ENTITLEMENTS_URL=entitlements.url, **environment) as client:
            assert client.get("/readyz").status_code == 200
            assert client.get(ENTITLEMENT, headers={"cookie": f"{COOKIES[0]}=token"}).status_code == 200
            assert client.get(ENTITLEMENT, headers={"cookie": f"{COOKIES[0]}=other"}).status_code == 401


def test_a_transaction_pooler_in_between_does(atlas: Atlas) -> None:
    """As PgBouncer: it refuses a startup parameter that it doesn't know, and each message may go to another server."""
    token = atlas.session()
    with pooler(atlas.dsn) as seen:

        async def look() -> list[str | None]:
            sessions = StoredSessions(read_atlas_url(seen.url), secure=False)
            await sessions.start()
            try:
                return [await sessions.user_of(Headers({"cookie": f"{COOKIES[0]}={token}"})) for _ in range(8)]
            finally:
                await sessions.close()

        assert asyncio.run(look()) == ["user_1"] * 8
    assert set(seen.startup[0]) <= {"user", "database", "application_name", "client_encoding"}
    assert [kind for kind in seen.messages if kind not in "pX"] == ["Q"] * 8, "one message each, none of them prepared"


def test_a_database_that_was_away_is_noticed_within_seconds(atlas: Atlas) -> None:
    """It was asked again after pauses that double, up to a minute and a half."""
    token, server = atlas.session(), urlsplit(atlas.dsn)
    assert server.port
    link = Link("atlas", free_port(), server.port)
    with Proxies({"atlas": link}) as proxies:
        url = atlas.dsn.replace(server.netloc.rpartition("@")[2], f"{LOOPBACK}:{link.port}")

        async def outage() -> float:
            sessions = StoredSessions(read_atlas_url(url), secure=False)
            await sessions.start()

            async def user() -> str | None:
                with contextlib.suppress(SessionsUnavailable):
                    return await sessions.user_of(Headers({"cookie": f"{COOKIES[0]}={token}"}))
                await asyncio.sleep(0.1)
                return None

            try:
                assert await user() == "user_1"
                proxies.call("atlas", "refuse")
                away = time.monotonic() + AWAY_SECONDS
                while time.monotonic() < away:
                    assert await user() is None
                proxies.heal()
                back = time.monotonic()
                while await user() is None and time.monotonic() < back + 20:
                    pass
                return time.monotonic() - back
            finally:
                await sessions.close()

        assert asyncio.run(outage()) < NOTICED_SECONDS


def test_without_the_atlas_database_it_is_503_and_not_ready(postgres_dsn: str) -> None:
    away = postgres_dsn.rpartition("/")[0] + "/does_not_exist"
    environment = {"NEXTAUTH_SESSION_STRATEGY": "database", "ATLAS_DATABASE_URL": away}
    with stand_in() as entitlements, running_gateway(ENTITLEMENTS_URL=entitlements.url, **environment) as client:
        response = client.get(ENTITLEMENT, headers={"cookie": f"{COOKIES[0]}=x"})
        assert (response.status_code, response.json()["error"]["recovery"]) == (503, "retry_later")
        restore = client.post("/api/pro/restore", json={"trigger": "account"}, headers={"cookie": f"{COOKIES[0]}=x"})
        assert restore.status_code == 503
        assert restore.json()["error"]["message"] == "Restore is temporarily unavailable. Please try again later."
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["failing"]) == (503, ["sessions"])
        assert client.get(ENTITLEMENT).status_code == 401
