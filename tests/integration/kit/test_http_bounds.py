"""What a client may make the server hold with one request: never more than a head and a body, whatever stands around."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable
from itertools import chain, repeat

import pytest

from support.http_server import MOST, Served, answered, heard, still_open
from support.stack import eventually

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
SENDERS_BUFFER = 256 * 1024
"""Bytes. Left to itself, Linux lets it grow to 4 MiB."""
TAKEN = 4_500_000
"""Socket buffers at both ends, and then it is over."""
ENDLESS = {
    "trailers": chain([CHUNKED + b"0\r\n"], (b"X-%d: %s\r\n" % (n, b"y" * 8_000) for n in range(10_000))),
    "one trailer's value": chain([CHUNKED + b"0\r\nX: "], repeat(b"y" * 8_000, 10_000)),
    "one trailer's name": chain([CHUNKED + b"0\r\n"], repeat(b"y" * 8_000, 10_000)),
    "many small trailers": chain([CHUNKED + b"0\r\n"], repeat(b"a:\r\n" * 2_000, 10_000)),
    "one chunk's extension": chain([CHUNKED + b"5;x="], repeat(b"y" * 8_000, 10_000)),
    "an extension to every byte": chain([CHUNKED], repeat(b"1;x=" + b"y" * 8_000 + b"\r\nz\r\n", 10_000)),
    "headers": chain([b"GET / HTTP/1.1\r\nHost: x\r\n"], repeat(b"X: " + b"y" * 8_000 + b"\r\n", 10_000)),
    "a query": chain([b"GET /?"], repeat(b"y=1&" * 2_000, 10_000)),
}


def taken(line: socket.socket, parts: Iterable[bytes]) -> int:
    """How many bytes the server's end takes before it closes; none more than all of ``parts``."""
    sent = 0
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENDERS_BUFFER)
    with contextlib.suppress(ConnectionError):
        for part in parts:
            line.sendall(part)
            sent += len(part)
            if sent > TAKEN:
                break
    return sent


@pytest.mark.parametrize("what", ENDLESS)
def test_nothing_around_a_body_may_be_without_end(served: Served, what: str) -> None:
    line = served.connect()
    begun = time.monotonic()
    assert taken(line, ENDLESS[what]) < TAKEN, "refused, and not taken for ever"
    assert time.monotonic() - begun < 10
    eventually(lambda: served.open == 0, 10)
    assert served.asked == []
    assert answered(served.connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("rest", [b"0\r\nX: " + b"y" * 90_000, b"5;x=" + b"y" * 90_000])
def test_a_refused_request_is_answered_with_the_reason(served: Served, rest: bytes) -> None:
    line = served.connect(CHUNKED)
    time.sleep(0.1)  # a packet of its own
    line.sendall(rest[:40_000])
    line.sendall(rest[40_000:])
    assert heard(line).startswith(b"HTTP/1.1 431")


def test_trailers_are_no_headers(served: Served) -> None:
    smuggled = b"Cookie: next-auth.session-token=stolen\r\nStripe-Signature: t=1,v1=0\r\nX-Request-Id: mine\r\nAuthorization: Bearer x\r\n"
    line = served.connect(CHUNKED, b"2\r\nhi\r\n", b"0\r\n" + smuggled + b"\r\n")
    head = answered(line)
    assert head.startswith(b"HTTP/1.1 200") and b"x-request-id: mine" not in head.lower()
    assert {name for name, _ in served.headers} == {b"host", b"transfer-encoding"}
    line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Next: 1\r\n\r\n")
    eventually(lambda: {name for name, _ in served.headers} == {b"host", b"x-next"}), "and the next request is its own"


def test_small_chunks_with_small_extensions_are_read(served: Served) -> None:
    line = served.connect(CHUNKED, b"1;a=b\r\nx\r\n" * 30_000, b"0\r\n\r\n")
    assert answered(line).startswith(b"HTTP/1.1 200")


def test_thousands_of_headers_are_refused_and_what_browsers_send_is_not(served: Served) -> None:
    def with_headers(count: int) -> socket.socket:
        return served.connect(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * count + b"\r\n")

    assert answered(with_headers(150)).startswith(b"HTTP/1.1 200")
    assert heard(with_headers(10_000)).startswith(b"HTTP/1.1 431")


def test_half_heads_hold_no_more_memory_than_is_allowed(served: Served) -> None:
    """100,000 bytes here: of three heads of 40,000, the first gives way."""
    half = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000
    lines = []
    for least in (40_000, 80_000, 80_000):
        lines.append(served.connect(half))
        eventually(lambda least=least: served.among._held >= least, 5)
    assert heard(lines[0]).startswith(b"HTTP/1.1 503")
    for line in lines[1:]:
        line.sendall(b"\r\n\r\n")
        assert answered(line).startswith(b"HTTP/1.1 200")
    assert served.among._held == 0


def test_trailers_after_an_answer_that_came_early_are_bounded_too(served: Served) -> None:
    early = b"POST /early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
    line = served.connect(early)
    assert answered(line).startswith(b"HTTP/1.1 200")
    assert taken(line, repeat(b"y" * 8_000, 10_000)) < TAKEN
    assert not still_open(line) or served.open < MOST
