"""Signed junk, huge and slow bodies, broken connections: never a 5xx, never a change of state."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import time

import pytest

from atlas_localstack.servers.ports import LOOPBACK
from support.ingest import PATH, Ingest
from support.stripe_events import body_of, purchase, session, signature

LIMIT = 256 * 1024
INVALID = {"ok": False, "error": {"code": "invalid_request", "message": "Invalid webhook payload.", "recovery": "none"}}
TOO_LARGE = {"ok": False, "error": {"code": "invalid_request", "message": "Request body is too large.", "recovery": "none"}}


def _with(field: str) -> bytes:
    """A valid purchase with one more member, as written, in its object."""
    return body_of(purchase()).replace(b'"object": "checkout.session"', b'"object": "checkout.session", ' + field.encode(), 1)


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"hello",
    "200,000 nested arrays": b"[" * 200_000,
    "balanced deep nesting inside an event": _with('"x": ' + "[" * 100_000 + "]" * 100_000)[:LIMIT],
    "a 5,000-digit integer": _with('"x": ' + "9" * 5000),
    "NaN": _with('"x": NaN'),
    "Infinity": _with('"x": -Infinity'),
    "1e999": _with('"x": 1e999'),
    "a lone surrogate": _with('"x": "\\ud800"'),
    "a lone low surrogate": _with('"x": "\\udc00 \\u00e9"'),
    "a name twice": _with('"payment_status": "paid"'),
    "bytes that are no UTF-8": body_of(purchase()).replace(b"evt_", b"\xff\xfe"),
    "UTF-16": json.dumps(purchase()).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + body_of(purchase()),
    "something behind the object": body_of(purchase()) + b"{}",
    "an array": b"[]",
    "a string": b'"evt"',
    "null": b"null",
    "an empty object": b"{}",
    "a numeric id": body_of(purchase(id=1)),
    "no id": body_of({k: v for k, v in purchase().items() if k != "id"}),
    "no type": body_of({k: v for k, v in purchase().items() if k != "type"}),
    "a list as type": body_of(purchase(type=["checkout.session.completed"])),
    "created as text": body_of(purchase(created="2026-01-01")),
    "created as true": body_of(purchase(created=True)),
    "created as a float": body_of(purchase(created=1.5)),
    "no data": body_of(purchase(data=None)),
    "data.object as a list": body_of(purchase(data={"object": []})),
    "a thin event": body_of({"id": "evt_1", "object": "v2.core.event", "type": "v1.billing.meter", "created": "2026-01-01T00:00:00Z"}),
}

SENSELESS = {
    "U+0000 in the user id": purchase(data={"object": session(metadata={"userId": "a\0b", "productKey": "pro_lifetime_v1"})}),
    "U+0000 in a field that nobody reads": purchase(data={"object": session(note="a\0b")}),
    "an empty object": purchase(data={"object": {}}),
    "an object of another kind": purchase(data={"object": {"id": "ch_1", "object": "charge"}}),
    "a list as status": purchase(data={"object": session(payment_status=["paid"])}),
    "a negative amount": purchase(data={"object": session(amount_total=-1)}),
    "an amount as text": purchase(data={"object": session(amount_total="1900")}),
    "a huge amount": purchase(data={"object": session(amount_total=10**4000)}),
    "a user id of 10,000 characters": purchase(data={"object": session(metadata={"userId": "x" * 10_000})}),
    "metadata as text": purchase(data={"object": session(metadata="userId")}),
    "contradicting users": purchase(data={"object": session(client_reference_id="somebody_else")}),
    "a time before 1970": purchase(created=-1),
    "a time in the year 5138": purchase(created=10**11),
    "an id of 100,000 characters": purchase(id="evt_" + "x" * 100_000),
    "an id with a line break": purchase(id="evt_1\r\nNats-Rollup: all"),
    "an id outside ASCII": purchase(id="evt_\U0001f600"),
    "an empty id": purchase(id=""),
    "a currency in upper case": purchase(data={"object": session(currency="USD")}),
    "a mode that is no boolean": purchase(livemode="no"),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_signed_junk_that_cannot_be_read_is_refused(shared_ingest: Ingest, body: bytes) -> None:
    before = _sequences(shared_ingest)
    answer = shared_ingest.post(body)
    assert (answer.status, answer.json) == (400, INVALID)
    assert _sequences(shared_ingest) == before


@pytest.mark.parametrize("senseless", SENSELESS.values(), ids=SENSELESS.keys())
def test_what_can_be_read_but_makes_no_sense_is_parked(shared_ingest: Ingest, senseless: dict) -> None:
    billing, parked = _sequences(shared_ingest)
    answer = shared_ingest.deliver(senseless)
    assert answer.status == 200
    assert answer.json["data"] == {"received": True, "ignored": False, "appended": True, "dedupeReason": None}
    assert _sequences(shared_ingest) == (billing, parked + 1)
    again = shared_ingest.deliver(senseless).json["data"]
    assert (again["appended"], again["dedupeReason"]) == (False, "provider_event_id")
    assert _sequences(shared_ingest) == (billing, parked + 1)


def test_an_escaped_backslash_before_u0000_is_ordinary_text(shared_ingest: Ingest) -> None:
    billing, parked = _sequences(shared_ingest)
    bought = purchase(data={"object": session(note="C:\\u0000")})
    assert b"\\\\u0000" in body_of(bought)
    assert shared_ingest.deliver(bought).status == 200
    assert _sequences(shared_ingest) == (billing + 1, parked)


def test_emoji_and_paired_surrogates_are_ordinary_text(shared_ingest: Ingest) -> None:
    billing, parked = _sequences(shared_ingest)
    bought = purchase(data={"object": session(note="\U0001f600 é")})
    assert b"\\ud83d\\ude00" in body_of(bought)
    assert shared_ingest.deliver(bought).status == 200
    assert _sequences(shared_ingest) == (billing + 1, parked)


def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(shared_ingest: Ingest) -> None:
    bought = purchase(data={"object": session(note="")})
    filling = LIMIT - len(body_of(bought))
    bought["data"]["object"]["note"] = "x" * filling
    assert len(body_of(bought)) == LIMIT
    assert shared_ingest.deliver(bought).status == 200
    bought["data"]["object"]["note"] += "x"
    answer = shared_ingest.deliver(bought)
    assert (answer.status, answer.json) == (413, TOO_LARGE)


@pytest.mark.parametrize("size", [LIMIT + 1, 1_000_000, 5_000_000])
def test_a_chunked_body_over_the_limit_is_refused_without_a_declared_length(shared_ingest: Ingest, size: int) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, shared_ingest.port, timeout=20)
    connection.request("POST", PATH, iter([b"x" * 65_536] * (size // 65_536 + 1)), {"Stripe-Signature": "t=1,v1=0"}, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (413, TOO_LARGE)
    connection.close()


def test_a_declared_length_over_the_limit_is_refused_before_the_body_comes(shared_ingest: Ingest) -> None:
    for declared in ("300000", "9" * 18):
        answer = _raw(shared_ingest, f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {declared}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("declared", ["-1", "1e3", "0x10", "9" * 40, "5, 6", ""])
def test_a_length_that_is_no_number_is_refused(shared_ingest: Ingest, declared: str) -> None:
    answer = _raw(shared_ingest, f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {declared}\r\n\r\nhello".encode())
    assert answer[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 403"}


def test_a_body_shorter_than_declared_ends_without_an_effect(shared_ingest: Ingest) -> None:
    before = _sequences(shared_ingest)
    body = body_of(purchase())
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nStripe-Signature: {signature(body)}\r\nContent-Length: {len(body) + 5}\r\n\r\n"
    with socket.create_connection((LOOPBACK, shared_ingest.port)) as line:
        line.sendall(head.encode() + body)
    assert shared_ingest.deliver(purchase()).status == 200
    assert _sequences(shared_ingest) == (before[0] + 1, before[1])


def test_length_and_chunking_at_once_is_refused(shared_ingest: Ingest) -> None:
    smuggled = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode()
    assert _raw(shared_ingest, smuggled)[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 403"}


def test_a_compressed_body_is_not_decoded(shared_ingest: Ingest) -> None:
    before = _sequences(shared_ingest)
    plain = body_of(purchase())
    squeezed = gzip.compress(plain)
    assert shared_ingest.post(squeezed, signature(plain), **{"Content-Encoding": "gzip"}).status == 403
    assert shared_ingest.post(squeezed, **{"Content-Encoding": "gzip"}).status == 400
    bomb = gzip.compress(b"x" * 50_000_000)
    assert shared_ingest.post(bomb, **{"Content-Encoding": "gzip"}).status == 400
    assert _sequences(shared_ingest) == before


def test_headers_of_64_kilobytes_are_refused(shared_ingest: Ingest) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nStripe-Signature: {'x' * 70_000}\r\nContent-Length: 0\r\n\r\n".encode()
    assert _raw(shared_ingest, head)[:12] in {b"HTTP/1.1 431", b"HTTP/1.1 403"}
    endless = b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000
    assert _raw(shared_ingest, endless).startswith(b"HTTP/1.1 431")


def test_duplicated_and_empty_signature_headers_are_refused(shared_ingest: Ingest) -> None:
    body = body_of(purchase())
    good = signature(body)
    for headers in ((good, good), ("", good), (good, ""), ("",)):
        lines = "".join(f"Stripe-Signature: {value}\r\n" for value in headers)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode()
        assert _raw(shared_ingest, head + body).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "injected", ["a\r\nSet-Cookie: x=1", "x" * 200, "a b", "\xe9", "", "<script>", "req\tid"], ids=repr
)
def test_a_request_id_that_is_none_is_replaced(shared_ingest: Ingest, injected: str) -> None:
    head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {injected}\r\n\r\n".encode("latin-1")
    answer = _raw(shared_ingest, head)
    assert b"set-cookie" not in answer.lower()
    if answer.startswith(b"HTTP/1.1 405"):
        line = next(line for line in answer.split(b"\r\n") if line.startswith(b"x-request-id: "))
        assert line.startswith((b"x-request-id: req_", b"x-request-id: a")) and len(line) < 60


def test_connections_that_never_finish_their_headers_are_closed(shared_ingest: Ingest) -> None:
    lines = [socket.create_connection((LOOPBACK, shared_ingest.port), timeout=30) for _ in range(50)]
    started = time.monotonic()
    for number, line in enumerate(lines):
        if number % 2:
            line.sendall(b"POST / HTTP/1.1\r\nHo")
    for line in lines:
        assert line.recv(100) == b""
        line.close()
    assert time.monotonic() - started < 20
    assert shared_ingest.deliver(purchase()).status == 200


def test_pipelined_requests_are_each_answered(shared_ingest: Ingest) -> None:
    requests = b""
    for _ in range(5):
        body = body_of(purchase())
        requests += f"POST {PATH} HTTP/1.1\r\nHost: x\r\nStripe-Signature: {signature(body)}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection((LOOPBACK, shared_ingest.port), timeout=10) as line:
        line.sendall(requests)
        received = b""
        while received.count(b'"appended":true') < 5:
            received += line.recv(65536)
    assert received.count(b"HTTP/1.1 200") == 5


def test_a_million_rejected_bytes_leave_nothing_behind(shared_ingest: Ingest) -> None:
    process = shared_ingest.process
    for _ in range(50):
        shared_ingest.post(b"x" * LIMIT)
    before = process.memory_info().rss
    for _ in range(400):
        shared_ingest.post(b"x" * LIMIT, "t=1,v1=0")
    assert process.memory_info().rss - before < 20_000_000


def _sequences(ingest: Ingest) -> tuple[int, int]:
    """The last sequence numbers of BILLING and PARKED: all the state there is."""

    async def read(client):
        jetstream = client.jetstream()
        return tuple([(await jetstream.stream_info(name)).state.last_seq for name in ("BILLING", "PARKED")])

    return ingest.ask(read)


def _raw(ingest: Ingest, request: bytes) -> bytes:
    with socket.create_connection((LOOPBACK, ingest.port), timeout=20) as line:
        with contextlib.suppress(OSError):
            line.sendall(request)
        return _read_all(line, until_head=True)


def _read_all(line: socket.socket, *, until_head: bool = False) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := line.recv(65536):
            received += data
            if until_head and b"\r\n\r\n" in received:
                break
    return received
