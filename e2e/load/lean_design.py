"""A peer that spends as little as it can and still stores: plain ASGI, HMAC on bytes, one pass of JSON, one statement.

No framework, no SDK, no broker, no ledger that decides anything: event and entitlement in one statement of Postgres, which
commits by itself. Served by `uvicorn lean_design:app`; DATABASE_URL and STRIPE_WEBHOOK_SECRET come from the environment.
"""

from __future__ import annotations

import hmac
import os
from typing import Any

from psycopg_pool import AsyncConnectionPool
from pydantic_core import from_json

POOL = AsyncConnectionPool(
    os.environ.get("DATABASE_URL", ""), min_size=8, max_size=16, open=False, kwargs={"autocommit": True, "prepare_threshold": 0}
)
SECRET = os.environ.get("STRIPE_WEBHOOK_SECRET", "").encode()
TABLES = (
    "CREATE TABLE IF NOT EXISTS events (id text PRIMARY KEY, type text NOT NULL, payload jsonb NOT NULL)",
    "CREATE TABLE IF NOT EXISTS entitlements (user_id text PRIMARY KEY, is_pro boolean NOT NULL)",
)
STORE = """
WITH event AS (INSERT INTO events VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING)
INSERT INTO entitlements VALUES (%s, true) ON CONFLICT (user_id) DO UPDATE SET is_pro = true
"""
ANSWER = b'{"received":true}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    if scope["path"] == "/docs":  # where the benchmark asks whether the server is ready
        await _answer(send, 200)
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    signature = next((value for name, value in scope["headers"] if name == b"stripe-signature"), b"")
    told = dict(item.partition(b"=")[::2] for item in signature.split(b","))
    expected = hmac.digest(SECRET, told.get(b"t", b"") + b"." + body, "sha256").hex().encode()
    if not hmac.compare_digest(expected, told.get(b"v1", b"")):
        await _answer(send, 403)
        return
    event = from_json(body)
    user = event["data"]["object"]["metadata"]["userId"]
    async with POOL.connection() as connection:
        await connection.execute(STORE, (event["id"], event["type"], body.decode(), user))
    await _answer(send, 200)


async def _answer(send: Any, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


async def _lifespan(receive: Any, send: Any) -> None:
    await receive()
    await POOL.open()
    async with POOL.connection() as connection:
        for table in TABLES:
            await connection.execute(table)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await POOL.close()
    await send({"type": "lifespan.shutdown.complete"})
