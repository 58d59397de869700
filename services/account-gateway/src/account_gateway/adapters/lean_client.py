"""A small HTTP client for the entitlement read alone: questions over kept-alive connections, by asyncio and httptools.

The general client (atlas_kit.http.client, on aiohttp) costs more processor time per request than the rest of the read
(docs/decisions/0011). This one knows just enough HTTP/1.1 for one service of ours to ask another: no redirects, no
cookies, no proxies. Both read answers and errors with the same function.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from dataclasses import dataclass, field
from typing import TypeVar, cast
from urllib.parse import urlsplit

import httptools
from pydantic import BaseModel

from atlas_kit.http.client import DEFAULT_SECONDS, read_answer
from atlas_kit.http.errors import Unavailable
from atlas_kit.http.identity import TokenMint
from atlas_kit.process import context
from atlas_kit.tracing.spans import OpenSpan
from atlas_kit.tracing.work import calling
from atlas_kit.tracing.work import got as note_answer

MAX_CONNECTIONS = 64
"""Connections. More would not be faster: the entitlements service answers one request at a time per core."""
IDLE_SECONDS = 30.0
"""Seconds. Shorter than the server's keep-alive (75 s), so that the server rarely closes a connection in use."""
MAX_ANSWER_BYTES = 1024 * 1024

ModelT = TypeVar("ModelT", bound=BaseModel)


class _ConnectionLost(Exception):
    """The connection ended before its answer was complete."""


@dataclass
class _Answer:
    status: int = 0
    retry_after: str | None = None
    body: bytearray = field(default_factory=bytearray)


class _HttpConnection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.open = False
        self.used = False
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[_Answer] | None = None
        self._answer = _Answer()
        self._parser = httptools.HttpResponseParser(self)

    def ask(self, message: bytes) -> asyncio.Future[_Answer]:
        """Send a request; the future ends with its answer, or with _ConnectionLost."""
        assert self._transport
        self.used = True
        self._answer = _Answer()
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return self._waiting

    def close(self) -> None:
        self.open = False
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports have another class
        self.open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._fail()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.open = False
        self._fail()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._answer.retry_after = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._answer.body += body
        if len(self._answer.body) > MAX_ANSWER_BYTES:
            self.close()
            self._fail()

    def on_message_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()
        self.open = self.open and self._parser.should_keep_alive()
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(self._answer)

    def _fail(self) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(_ConnectionLost())


class LeanClient:
    """Asks one other service. A question changes nothing there, so it may be asked again when a connection is lost."""

    def __init__(self, base_url: str, audience: str, mint: TokenMint, *, connections: int = MAX_CONNECTIONS) -> None:
        self.base_url, parts = base_url, urlsplit(base_url)
        assert parts.hostname, "settings validate the URL"
        self._host, self._port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._path, self._authority = parts.path.rstrip("/"), parts.netloc.rpartition("@")[2]
        self._audience, self._mint = audience, mint
        self._idle: deque[_HttpConnection] = deque()
        self._free = asyncio.Semaphore(connections)

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def get(self, path: str, subject: str, answer: type[ModelT], *, seconds: float = DEFAULT_SECONDS) -> ModelT:
        """GET ``path`` for user ``subject``. Raises the other service's error, or Unavailable."""
        with calling("GET", self.base_url) as span:
            got = await self._answer("GET", path, subject, "", b"", seconds)
            note_answer(span, got.status)
        return read_answer(got.status, bytes(got.body), answer, got.retry_after)

    async def post(
        self, path: str, subject: str, answer: type[ModelT], question: BaseModel, span: OpenSpan, *, seconds: float
    ) -> ModelT:
        """POST a question; the rest as for :meth:`get`. ``span`` is the caller's, which gets the status noted."""
        body = question.model_dump_json(by_alias=True).encode()
        headers = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        got = await self._answer("POST", path, subject, headers, body, seconds)
        note_answer(span, got.status)
        return read_answer(got.status, bytes(got.body), answer, got.retry_after)

    async def _answer(self, method: str, path: str, subject: str, headers: str, body: bytes, seconds: float) -> _Answer:
        head = (
            f"{method} {self._path}{path} HTTP/1.1\r\nhost: {self._authority}\r\n{headers}"
            f"authorization: Bearer {self._mint.token(self._audience, subject)}\r\n"
            f"x-request-id: {context.current_request_id()}\r\ntraceparent: {context.current_traceparent()}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(seconds), self._free:
                return await self._ask(head.encode("ascii") + body)
        except (OSError, TimeoutError, _ConnectionLost) as error:
            raise Unavailable from error

    async def _ask(self, message: bytes) -> _Answer:
        """Send and wait. When a kept connection turns out to be closed by the other side, send it again on another
        one.
        """
        while True:
            connection = await self._connection()
            reused = connection.used
            try:
                got = await connection.ask(message)
            except _ConnectionLost:
                if not reused:
                    raise
            except BaseException:
                connection.close()  # its answer may still come, and must not answer the next request
                raise
            else:
                self._keep(connection)
                return got

    async def _connection(self) -> _HttpConnection:
        loop = asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            if connection.open and loop.time() - connection.idle_since < IDLE_SECONDS:
                return connection
            connection.close()
        _, connection = await loop.create_connection(_HttpConnection, self._host, self._port, ssl=self._tls)
        return connection

    def _keep(self, connection: _HttpConnection) -> None:
        if connection.open:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            with contextlib.suppress(OSError):
                connection.close()
