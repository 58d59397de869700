"""The sandbox dates its answers by the clock that dates its events: restore and confirm compare the two."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message

from stripe_sandbox.app import create_app
from stripe_sandbox.settings import Settings

KEY = "sk_test_atlas_sandbox"
JUST_BEFORE_A_SECOND_ENDS = 1_795_620_000 - 0.001


class Clock:
    """Each look at it takes a millisecond."""

    def __init__(self) -> None:
        self.now = JUST_BEFORE_A_SECOND_ENDS

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.mark.anyio
async def test_an_answer_is_never_dated_before_what_it_shows() -> None:
    app = create_app(Settings(KEY, "price_1AtlasProLifetime", "http://127.0.0.1:1"), clock=Clock())
    headers = await answer_headers(app, "/v1/customers")
    assert headers[b"date"] == b"Wed, 25 Nov 2026 15:20:00 GMT"


async def answer_headers(app: Any, path: str) -> dict[bytes, bytes]:
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        told.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:1"), (b"authorization", f"Bearer {KEY}".encode())],
        "server": ("127.0.0.1", 1),
        "client": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    assert told[0]["status"] == 200, told
    return dict(told[0]["headers"])
