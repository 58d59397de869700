"""An answer that is sent whole is, byte by byte, what uvicorn would have sent."""

from __future__ import annotations

import contextlib
import gc
import re
import socket
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from atlas_kit.http.app import with_edge
from atlas_kit.http.connections import Connections
from atlas_kit.http.whole import WHOLE, AddedHeaders
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.http_server import heard, serving

BODY = b"an answer"
LAST = b"GET /without-length HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""Ends the connection, so that all that came before can be read."""
LENGTH = (b"content-length", b"%d" % len(BODY))
ANSWERS = {
    "/usual": (200, [(b"content-type", b"text/plain"), LENGTH], BODY),
    "/refused": (403, [(b"content-type", b"application/json"), LENGTH], BODY),
    "/own-policy": (200, [(b"content-security-policy", b"own"), (b"cache-control", b"max-age=9"), LENGTH], BODY),
    "/own-request-id": (200, [(b"x-request-id", b"mine"), LENGTH], BODY),
    "/cookies": (200, [(b"set-cookie", b"a=b; Path=/"), (b"set-cookie", b"c=d"), LENGTH], BODY),
    "/closing": (200, [(b"connection", b"close"), LENGTH], BODY),
    "/without-length": (200, [(b"content-type", b"text/plain")], BODY),
    "/none": (204, [(b"content-length", b"0")], b""),
    "/unchanged": (304, [LENGTH], b""),
    "/other-length": (200, [(b"content-length", b"7")], BODY),
    "/control": (200, [(b"x-bad", b"a\r\nset-cookie: x=y"), LENGTH], BODY),
    "/odd-name": (200, [(b"x bad", b"a"), LENGTH], BODY),
    "/large": (200, [(b"content-length", b"300000")], b"x" * 300_000),
}


class Answering:
    """Answers by the path; counts the answers for which there was a way to send them whole."""

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.behind = with_edge(self.answer)
        self.offered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.offered += WHOLE in scope
        if not self.whole:
            scope.pop(WHOLE, None)
        await self.behind(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers, body = ANSWERS[scope["path"]]
        await receive()
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        if scope["query_string"] == b"fails":
            raise RuntimeError("between head and body")
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    with contextlib.ExitStack() as stack:
        whole, usual = Answering(whole=True), Answering(whole=False)
        found = free_port(), free_port()
        for app, port in zip((whole, usual), found, strict=True):
            stack.enter_context(serving(app, port, Connections(100)))
        yield found
        assert whole.offered


def _said(port: int, request: bytes) -> bytes:
    with socket.create_connection((LOOPBACK, port), 5) as line:
        line.sendall(request + LAST)
        return heard(line)


def _comparable(said: bytes) -> tuple[list[bytes], list[bytes]]:
    """Heads as sorted lines without what differs in time, and bodies; the order of headers means nothing."""
    said = re.sub(rb"x-request-id: req_[0-9a-f]+", b"x-request-id: R", re.sub(rb"date: [^\r]+", b"date: D", said))
    parts = said.split(b"\r\n\r\n")
    return sorted(line for part in parts for line in part.split(b"\r\n")), parts[-1:]


@pytest.mark.parametrize("path", ANSWERS)
@pytest.mark.parametrize("form", ["GET {} HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD {} HTTP/1.1\r\nHost: x\r\n\r\n", "GET {} HTTP/1.0\r\n\r\n",
                                  "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"])  # fmt: skip
def test_both_ways_send_the_same(ports: tuple[int, int], path: str, form: str) -> None:
    whole, usual = (_said(port, form.format(path).encode()) for port in ports)
    assert _comparable(whole) == _comparable(usual)
    assert b"set-cookie: x=y" not in whole


def test_requests_on_one_connection_are_answered_in_their_order(ports: tuple[int, int]) -> None:
    asked = b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/usual", b"/without-length", b"/refused", b"/usual"))
    said = [_said(port, asked) for port in ports]
    assert re.findall(rb"HTTP/1.1 (\d+)", said[0]) == [b"200", b"200", b"403", b"200", b"200"]
    assert _comparable(said[0])[0] == _comparable(said[1])[0]


def test_a_failure_between_head_and_body_is_an_error_of_ours(ports: tuple[int, int]) -> None:
    said = _said(ports[0], b"GET /usual?fails HTTP/1.1\r\nHost: x\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 500") and b"internal_error" in said and said.count(BODY) == 1
    assert said.count(b"HTTP/1.1") == 2


def test_an_answered_request_leaves_nothing_for_the_garbage_collector(ports: tuple[int, int]) -> None:
    with socket.create_connection((LOOPBACK, ports[0]), 5) as line:
        for round_ in range(2):
            gc.collect()
            gc.disable()
            for _ in range(50):
                line.sendall(b"GET /usual HTTP/1.1\r\nHost: x\r\n\r\n")
                assert BODY in line.recv(65_536)
            found = gc.collect()
            gc.enable()
            assert round_ == 0 or found < 50, "one object and more for each request"


def test_a_header_of_ours_is_not_sent_twice() -> None:
    added = AddedHeaders([(b"cache-control", b"no-store")])
    assert added.lines([(b"cache-control", b"max-age=9"), LENGTH], b"r", BODY) is None
    assert added.lines([LENGTH], b"r", BODY) == b"content-length: 9\r\nx-request-id: r\r\ncache-control: no-store\r\n"
