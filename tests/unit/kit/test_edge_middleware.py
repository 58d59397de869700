"""What every HTTP answer has in common."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from atlas_kit.http.errors import InvalidRequest
from atlas_kit.http.middleware import EdgeMiddleware
from atlas_kit.process import context

pytestmark = pytest.mark.anyio


class Client:
    """Speaks ASGI to an application."""

    def __init__(self, *body: bytes, headers: dict[str, str] | None = None, pause: float = 0) -> None:
        self.chunks = list(body)
        self.headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()]
        self.pause = pause
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(self.pause)
        if not self.chunks:
            return {"type": "http.disconnect"}
        chunk = self.chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(self.chunks)}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    async def call(self, app: Any, **options: Any) -> tuple[int, dict[str, str], bytes]:
        scope = {"type": "http", "method": "POST", "path": "/p", "headers": self.headers, "state": {}}
        await EdgeMiddleware(app, **options)(scope, self.receive, self.send)
        head = {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}
        return self.sent[0]["status"], head, b"".join(m.get("body", b"") for m in self.sent[1:])


async def hello(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


async def test_every_answer_has_the_security_headers_and_a_request_id() -> None:
    status, headers, body = await Client(b"hi").call(hello)
    assert (status, body) == (200, b"hi")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"].startswith("req_")
    assert "strict-transport-security" not in headers


async def test_https_adds_hsts() -> None:
    _, headers, _ = await Client(b"").call(hello, hsts=True)
    assert headers["strict-transport-security"].startswith("max-age=")


async def test_an_answer_may_bring_its_own_policy() -> None:
    async def page(_scope: Any, _receive: Any, send: Any) -> None:
        own = [(b"content-security-policy", b"own"), (b"cache-control", b"max-age=60"), (b"x-frame-options", b"SAMEORIGIN")]
        await send({"type": "http.response.start", "status": 200, "headers": own})
        await send({"type": "http.response.body", "body": b""})

    client = Client(b"")
    _, headers, _ = await client.call(page)
    assert (headers["content-security-policy"], headers["cache-control"], headers["x-frame-options"]) == ("own", "max-age=60", "SAMEORIGIN")
    names = [name for name, _ in client.sent[0]["headers"]]
    assert len(names) == len(set(names))


async def test_the_callers_request_id_reaches_the_application() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["state"]["request_id"], context.current_request_id(), context.current_traceparent()[3:35]))
        await hello(scope, receive, send)

    trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    _, headers, _ = await Client(b"", headers={"X-Correlation-Id": "corr-1", "traceparent": trace}).call(app)
    assert headers["x-request-id"] == "corr-1"
    assert seen == [("corr-1", "corr-1", "ab" * 16)]


async def test_our_errors_wear_the_envelope() -> None:
    async def app(*_: Any) -> None:
        raise InvalidRequest("No.", headers={"x-more": "1"})

    status, headers, body = await Client(b"").call(app)
    assert (status, headers["x-more"], json.loads(body)["error"]["message"]) == (400, "1", "No.")


async def test_an_unforeseen_error_tells_nothing() -> None:
    async def app(*_: Any) -> None:
        raise RuntimeError("password is hunter2")

    status, _, body = await Client(b"").call(app)
    assert status == 500
    assert json.loads(body) == {
        "ok": False,
        "error": {"code": "internal_error", "message": "Internal server error.", "recovery": "retry"},
    }


async def test_an_error_after_the_answer_began_cuts_the_connection() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise InvalidRequest

    with pytest.raises(InvalidRequest):
        await Client(b"").call(app)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "3"}, {"Content-Length": "nonsense"}, {"Content-Length": "-5"}])
async def test_a_body_over_the_limit_is_refused_whatever_was_declared(headers: dict[str, str]) -> None:
    status, _, body = await Client(b"x" * 60, b"x" * 60, headers=headers).call(hello, max_body_bytes=100)
    assert (status, json.loads(body)["error"]) == (
        413,
        {"code": "invalid_request", "message": "Request body is too large.", "recovery": "none"},
    )


@pytest.mark.parametrize("declared", ["101", "9" * 30])
async def test_a_declared_length_over_the_limit_is_refused_unread(declared: str) -> None:
    client = Client(b"x" * 10, headers={"Content-Length": declared})
    status, _, _ = await client.call(hello, max_body_bytes=100)
    assert status == 413
    assert client.chunks == [b"x" * 10]


async def test_a_path_may_have_a_limit_of_its_own() -> None:
    assert (await Client(b"x" * 150).call(hello, max_body_bytes=100, body_limits=[("/p", 200)]))[0] == 200
    assert (await Client(b"x" * 150).call(hello, max_body_bytes=100, body_limits=[("/q", 200)]))[0] == 413


async def test_a_body_that_takes_too_long_ends_the_connection() -> None:
    status, headers, body = await Client(b"a", b"b", b"c", pause=0.05).call(hello, body_seconds=0.08)
    assert (status, headers["connection"]) == (408, "close")
    assert json.loads(body)["error"]["message"] == "Request body took too long."


async def test_waiting_for_the_clients_end_may_take_for_ever() -> None:
    """An event stream reads the (empty) body and then listens for the disconnect."""

    async def stream(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        client.pause = 0.4
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    client = Client(b"")
    assert (await client.call(stream, body_seconds=0.2))[0] == 200


async def test_what_is_no_http_passes_through() -> None:
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    await EdgeMiddleware(app)({"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]
