"""``database`` strategy: sessions in the Atlas database, which the gateway only reads."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from account_gateway.session.stored import StoredSessions
from support.gateway import entitlement_view, running_gateway, stand_in

ENTITLEMENT = "/api/pro/entitlement"
COOKIES = ["next-auth.session-token", "authjs.session-token"]
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
    import asyncio

    async def attempt() -> None:
        sessions = StoredSessions(SecretStr(postgres_dsn), secure=False)
        await sessions.start()
        try:
            async with sessions._pool.connection() as connection:
                with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                    await connection.execute("CREATE TABLE probe (id int)")
        finally:
            await sessions.close()

    asyncio.run(attempt())


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
