"""An open stream is over soon after its session, and one user can't hold all the connections there are."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from account_gateway.entrypoints.live.changes import MOST_STREAMS_PER_USER
from account_gateway.entrypoints.live.stream import StreamTimes
from account_gateway.session.mint import mint_token
from account_gateway.session.tokens import CLOCK_TOLERANCE_SECONDS
from support.gateway import (
    COOKIE,
    PRO,
    SESSION_SECRET,
    StandIn,
    cookie_of,
    entitlement_view,
    new_user,
    running_gateway,
    stand_in,
)
from support.stack import eventually

STREAM = "/api/pro/entitlement/stream"
TABLE = 'CREATE TABLE "Session" ("sessionToken" TEXT UNIQUE NOT NULL, "userId" TEXT NOT NULL, "expires" TIMESTAMP(3) NOT NULL)'
LONG_LIVED = StreamTimes(life=60, heartbeat=0.2, poll_without_broker=0.1, poll_with_broker=0.1)


@dataclass
class Open:
    """A stream that somebody listens to in the background."""

    lines: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def beats(self) -> int:
        return self.lines.count(": heartbeat")


@contextmanager
def listening(client: httpx.Client, headers: dict[str, str]) -> Iterator[Open]:
    stream = Open()
    mine = httpx.Client(base_url=client.base_url, timeout=30, trust_env=False)

    def listen() -> None:
        try:
            with mine.stream("GET", STREAM, headers=headers) as response:
                for line in response.iter_lines():
                    stream.lines.append(line)
        except httpx.HTTPError:
            pass
        stream.ended.set()

    threading.Thread(target=listen, daemon=True).start()
    try:
        eventually(lambda: stream.lines, 10)
        yield stream
    finally:
        mine.close()


@pytest.fixture
def entitlements() -> Iterator[StandIn]:
    with stand_in() as service:
        service.answer("GET /internal/entitlement", entitlement_view("user_1"))
        yield service


@dataclass
class Atlas:
    client: httpx.Client
    dsn: str

    def execute(self, query: str, *parameters: Any) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(query, parameters)

    def session(self, seconds: float = 3600) -> dict[str, str]:
        token = secrets.token_urlsafe(24)
        expires = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(tzinfo=None)
        self.execute('INSERT INTO "Session" VALUES (%s, %s, %s)', token, "user_1", expires)
        return {"cookie": f"{COOKIE}={token}"}


@pytest.fixture
def atlas(postgres_dsn: str, entitlements: StandIn) -> Iterator[Atlas]:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(TABLE)
    environment = {"NEXTAUTH_SESSION_STRATEGY": "database", "ATLAS_DATABASE_URL": postgres_dsn}
    with running_gateway(LONG_LIVED, ENTITLEMENTS_URL=entitlements.url, **environment) as client:
        yield Atlas(client, postgres_dsn)


def test_signing_out_ends_the_open_stream_and_no_other(atlas: Atlas, entitlements: StandIn) -> None:
    leaving, staying = atlas.session(), atlas.session()
    with listening(atlas.client, leaving) as mine, listening(atlas.client, staying) as other:
        eventually(lambda: mine.beats and other.beats, 10)
        atlas.execute('DELETE FROM "Session" WHERE "sessionToken" = %s', leaving["cookie"].partition("=")[2])
        assert mine.ended.wait(5), "the stream outlives its session"
        entitlements.answer("GET /internal/entitlement", entitlement_view("user_1", **PRO))
        eventually(lambda: any('"isPro":true' in line for line in other.lines), 5)
        assert not any('"isPro":true' in line for line in mine.lines)
        assert not other.ended.is_set()


def test_a_session_that_becomes_another_users_ends_the_stream(atlas: Atlas) -> None:
    with listening(atlas.client, atlas.session()) as stream:
        atlas.execute('UPDATE "Session" SET "userId" = %s', "user_2")
        assert stream.ended.wait(5)


def test_a_database_session_that_expires_ends_the_stream(atlas: Atlas) -> None:
    with listening(atlas.client, atlas.session(seconds=1)) as stream:
        assert stream.ended.wait(5)


def test_sessions_that_cannot_be_looked_up_do_not_cut_everybody_off(atlas: Atlas) -> None:
    with listening(atlas.client, atlas.session()) as stream:
        atlas.execute('ALTER TABLE "Session" RENAME TO "Away"')
        beats = stream.beats
        eventually(lambda: stream.beats > beats + 3, 10)
        assert not stream.ended.is_set()
        atlas.execute('ALTER TABLE "Away" RENAME TO "Session"')
        atlas.execute('DELETE FROM "Session"')
        assert stream.ended.wait(5)


@pytest.mark.parametrize("way", ["cookie", "bearer"])
def test_an_encrypted_session_that_expires_ends_the_stream(entitlements: StandIn, way: str) -> None:
    token = mint_token(new_user(), SESSION_SECRET, seconds=2 - CLOCK_TOLERANCE_SECONDS)
    headers = {"cookie": f"{COOKIE}={token}"} if way == "cookie" else {"authorization": f"Bearer {token}"}
    with running_gateway(LONG_LIVED, ENTITLEMENTS_URL=entitlements.url) as client:
        started = time.monotonic()
        with listening(client, headers) as stream:
            assert stream.ended.wait(8)
            assert time.monotonic() - started > 0.5
            assert stream.beats >= 1


def test_a_user_with_too_many_streams_loses_the_oldest(entitlements: StandIn) -> None:
    somebody, other = cookie_of(new_user()), cookie_of(new_user())
    with running_gateway(LONG_LIVED, ENTITLEMENTS_URL=entitlements.url) as client, listening(client, other) as others:
        with_streams = [listening(client, somebody) for _ in range(MOST_STREAMS_PER_USER + 2)]
        streams = [stream.__enter__() for stream in with_streams]
        assert streams[0].ended.wait(5) and streams[1].ended.wait(5)
        assert not any(stream.ended.is_set() for stream in (*streams[2:], others))
        for stream in with_streams:
            stream.__exit__(None, None, None)
