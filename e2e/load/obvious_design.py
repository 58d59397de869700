"""The obvious design, to compare with: FastAPI, `construct_event`, one upsert into Postgres per webhook.

Served by `uvicorn obvious_design:app`; DATABASE_URL and STRIPE_WEBHOOK_SECRET come from the environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import stripe
from fastapi import FastAPI, HTTPException, Request
from psycopg_pool import AsyncConnectionPool

POOL = AsyncConnectionPool(os.environ.get("DATABASE_URL", ""), min_size=8, max_size=16, open=False)
SECRET = os.environ.get("STRIPE_WEBHOOK_SECRET", "")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    await POOL.open()
    async with POOL.connection() as connection:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS events (id text PRIMARY KEY, type text NOT NULL, payload jsonb NOT NULL)"
        )
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS entitlements (user_id text PRIMARY KEY, is_pro boolean NOT NULL)"
        )
    yield
    await POOL.close()


app = FastAPI(lifespan=lifespan)


@app.post("/api/billing/stripe/webhook")
async def webhook(request: Request) -> dict[str, object]:
    body = await request.body()
    try:
        event = stripe.Webhook.construct_event(body, request.headers["stripe-signature"], SECRET)
    except (ValueError, KeyError, stripe.SignatureVerificationError):
        raise HTTPException(403) from None
    session = json.loads(body)["data"]["object"]
    async with POOL.connection() as connection:
        await connection.execute(
            "INSERT INTO events VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING", (event.id, event.type, body.decode())
        )
        await connection.execute(
            "INSERT INTO entitlements VALUES (%s, true) ON CONFLICT (user_id) DO UPDATE SET is_pro = true",
            (session["metadata"]["userId"],),
        )
    return {"received": True}
