"""However another service fails us, its caller hears that it is unavailable; only what it says to the user goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from pydantic import BaseModel

from account_gateway.adapters.lean_client import LeanClient
from account_gateway.entrypoints.api.unavailable import worded
from atlas_contracts.public_api import ErrorBody, ErrorCode, ErrorEnvelope, Recovery
from atlas_kit.http.client import ServiceClient, read_answer
from atlas_kit.http.errors import AtlasError, Unavailable
from support.identity import mint

pytestmark = pytest.mark.anyio
MINT = mint("account-gateway")
Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Answer(BaseModel):
    fine: bool


def envelope(code: ErrorCode) -> bytes:
    return ErrorEnvelope(error=ErrorBody(code=code, message="Said inside.", recovery=Recovery.NONE)).model_dump_json().encode()


@pytest.mark.parametrize("status", [401, 403, 405, 408, 413, 431, 499, 502, 504])
def test_what_a_service_says_to_us_is_not_the_users(status: int) -> None:
    code = ErrorCode.INTERNAL_ERROR if status >= 500 else ErrorCode.INVALID_REQUEST
    with pytest.raises(Unavailable) as told:
        read_answer(status, envelope(code), Answer, None)
    assert told.value.http_status == 503
    assert told.value.recovery is Recovery.RETRY_LATER
    assert "inside" not in told.value.message


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_what_it_says_to_the_user_goes_on(status: int) -> None:
    code = ErrorCode.INTERNAL_ERROR if status >= 500 else ErrorCode.INVALID_REQUEST
    with pytest.raises(AtlasError) as told:
        read_answer(status, envelope(code), Answer, "7")
    assert (told.value.http_status, told.value.message) == (status, "Said inside.")
    assert told.value.headers == {"retry-after": "7"}


@asynccontextmanager
async def serving(conversation: Conversation) -> AsyncIterator[str]:
    server = await asyncio.start_server(conversation, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def saying(text: bytes) -> Conversation:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        writer.close()

    return converse


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CONVERSATIONS = {
    "hangs up": saying(b""),
    "resets": resets,
    "says nothing": silent,
    "is cut off in its head": saying(b"HTTP/1.1 200 O"),
    "is cut off in its body": saying(HEAD + b"Content-Length: 100\r\n\r\n{"),
    "is cut off in a chunk": saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n{"),
    "speaks no HTTP": saying(b"220 mail.example ESMTP\r\n\r\n"),
    "sends no JSON": saying(HEAD + b"Content-Length: 4\r\n\r\nnope"),
    "sends other JSON": saying(HEAD + b"Content-Length: 2\r\n\r\n[]"),
    "sends no text": saying(HEAD + b"Content-Length: 2\r\n\r\n\xff\xfe"),
    "is busy": saying(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    "fails as text": saying(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\nConnection: close\r\n\r\nOops"),
}


@pytest.mark.parametrize("how", CONVERSATIONS)
async def test_however_it_fails_it_is_unavailable(how: str) -> None:
    async with serving(CONVERSATIONS[how]) as url:
        lean = LeanClient(url, "checkout", MINT)
        async with ServiceClient(url, "checkout", MINT) as client:
            for asking in (
                client.get("/x", "ada", Answer, seconds=0.5),
                client.post("/x", "ada", Answer, Answer(fine=True), seconds=0.5),
                lean.get("/x", "ada", Answer, seconds=0.5),
            ):
                with pytest.raises(Unavailable):
                    await asking
        await lean.close()


async def test_it_is_unavailable_to_a_process_that_ends() -> None:
    client = ServiceClient("http://127.0.0.1:9", "checkout", MINT)
    async with client:
        pass
    with pytest.raises(Unavailable):
        await client.get("/x", "ada", Answer)


async def test_an_unforeseen_failure_behind_a_route_that_knows_503_is_503() -> None:
    around = worded("Restore is away.")()
    await anext(around)
    with pytest.raises(AtlasError) as inside:
        read_answer(500, envelope(ErrorCode.INTERNAL_ERROR), Answer, None)
    with pytest.raises(Unavailable, match="Restore is away"):
        await around.athrow(inside.value)


async def test_a_request_that_is_cancelled_hears_the_routes_own_message() -> None:
    async def handler() -> None:
        async with asynccontextmanager(worded("Restore is away."))():  # as FastAPI enters it
            await asyncio.sleep(60)

    task = asyncio.create_task(handler())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(Unavailable, match="Restore is away"):
        await task
