"""The client of the hot read, against servers that behave, misbehave and die."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from pydantic import BaseModel

from account_gateway.adapters.lean_client import LeanClient
from atlas_kit.http.errors import NotFound, Unavailable
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.identity import mint, verifier

pytestmark = pytest.mark.anyio
VERIFIER = verifier("entitlements")


class Echo(BaseModel):
    path: str
    user: str


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler):
    """A TCP server with the given behaviour and a client of it; counts connections."""
    connections = 0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(accept, LOOPBACK, 0)
    port = listening.sockets[0].getsockname()[1]
    client = LeanClient(f"http://{LOOPBACK}:{port}", "entitlements", mint("account-gateway"))
    try:
        yield client, lambda: connections
    finally:
        await client.close()
        listening.close()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def request(reader: asyncio.StreamReader) -> tuple[str, str]:
    """Path and user of the next request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    return head.split(" ")[1], VERIFIER.verify(headers["authorization"]).subject


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        path, user = await request(reader)
        await asyncio.sleep(0.001 * (hash(user) % 5))
        writer.write(answer(json.dumps({"path": path, "user": user}).encode()))


async def test_each_of_many_requests_at_once_gets_its_own_answer() -> None:
    async with server(echo) as (client, connections):
        users = [f"user_{number}" for number in range(300)]
        answers = await asyncio.gather(*(client.get("/x", user, Echo) for user in users))
        assert [found.user for found in answers] == users
        assert connections() <= 64
        before = connections()
        for user in users[:20]:
            await client.get("/x", user, Echo)
        assert connections() == before, "connections are kept"


async def test_a_user_id_of_any_characters_stays_inside_the_token() -> None:
    async with server(echo) as (client, _):
        for user in ("é", "用户", "a b", "x:y@z"):
            assert (await client.get("/x", user, Echo)).user == user


async def test_an_answer_in_pieces_or_chunks_is_put_together() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path, user = await request(reader)
        body = json.dumps({"path": path, "user": user}).encode()
        for byte in answer(body):
            writer.write(bytes([byte]))
            await writer.drain()
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for part in (body[:5], body[5:]):
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        writer.write(b"0\r\n\r\n")
        await reader.read()

    async with server(trickle) as (client, connections):
        for _ in range(2):
            assert (await client.get("/x", "alice", Echo)).user == "alice"
        assert connections() == 1


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path, user = await request(reader)
        writer.write(answer(json.dumps({"path": path, "user": user}).encode()))
        await writer.drain()
        await reader.readexactly(1)  # the next request is met by a closed connection

    async with server(once) as (client, connections):
        for _ in range(3):
            assert (await client.get("/x", "alice", Echo)).user == "alice"
        assert connections() == 3


async def test_connection_close_is_honored() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path, user = await request(reader)
        writer.write(answer(json.dumps({"path": path, "user": user}).encode(), "200 OK", "connection: close"))
        await reader.read()

    async with server(closing) as (client, connections):
        for _ in range(2):
            await client.get("/x", "alice", Echo)
        assert connections() == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        answer(b"{}"),
        answer(b"not json"),
        answer(b"", "204 No Content"),
        answer(b"<html>", "502 Bad Gateway"),
        answer(b"x" * 2_000_000),
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    ],
    ids=lambda raw: raw[:40].decode() or "nothing",
)
async def test_an_answer_that_makes_no_sense_is_unavailable(raw: bytes) -> None:
    async def junk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(raw)
        await writer.drain()

    async with server(junk) as (client, _):
        with pytest.raises(Unavailable):
            await client.get("/x", "alice", Echo, seconds=2)


async def test_errors_of_the_service_are_passed_on() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for status, code in (("404 Not Found", "not_found"), ("503 Service Unavailable", "internal_error")):
            await request(reader)
            error = {"code": code, "message": "Its words.", "recovery": "retry_later"}
            writer.write(answer(json.dumps({"ok": False, "error": error}).encode(), status, "Retry-After: 3"))
        await reader.read()

    async with server(refuse) as (client, connections):
        with pytest.raises(NotFound, match=r"Its words\."):
            await client.get("/x", "alice", Echo)
        with pytest.raises(Unavailable, match=r"Its words\.") as refusal:
            await client.get("/x", "alice", Echo)
        assert refusal.value.headers == {"retry-after": "3"}
        assert connections() == 1


async def test_silence_is_unavailable_in_time_and_a_late_answer_is_nobodys() -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path, user = await request(reader)
            await asyncio.sleep(0.5 if user == "slow" else 0)
            writer.write(answer(json.dumps({"path": path, "user": user}).encode()))

    async with server(late) as (client, _):
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await client.get("/x", "slow", Echo, seconds=0.1)
        assert time.monotonic() - started < 0.45
        for _ in range(10):
            assert (await client.get("/x", "alice", Echo)).user == "alice"
            await asyncio.sleep(0.06)


async def test_nobody_listening_is_unavailable() -> None:
    client = LeanClient(f"http://{LOOPBACK}:{free_port()}", "entitlements", mint("account-gateway"))
    with pytest.raises(Unavailable):
        await client.get("/x", "alice", Echo)


async def test_more_requests_than_connections_wait_their_turn() -> None:
    async with server(echo) as (client, connections):
        client._free = asyncio.Semaphore(2)
        answers = await asyncio.gather(*(client.get("/x", f"user_{n}", Echo) for n in range(20)))
        assert len(answers) == 20
        assert connections() == 2
