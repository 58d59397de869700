"""The obvious design of the entitlement read: one FastAPI service, one query in Postgres per request.

Even kinder to it: the user comes in a header, so that it decrypts no session. Served by `uvicorn obvious_read:app`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Header
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

POOL = AsyncConnectionPool(os.environ.get("DATABASE_URL", ""), min_size=8, max_size=16, open=False)
QUERY = "SELECT is_pro, status, source, active_from, updated_at FROM entitlements WHERE user_id = %s"


class Entitlement(BaseModel):
    isPro: bool
    status: str
    source: str | None
    restoredAt: datetime | None
    updatedAt: datetime | None


class Answer(BaseModel):
    ok: bool = True
    data: Entitlement


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    await POOL.open()
    yield
    await POOL.close()


app = FastAPI(lifespan=lifespan)


@app.get("/api/pro/entitlement")
async def read(user: Annotated[str, Header(alias="x-user")]) -> Answer:
    async with POOL.connection() as connection:
        row = await (await connection.execute(QUERY, (user,))).fetchone()
    if row is None:
        return Answer(data=Entitlement(isPro=False, status="none", source=None, restoredAt=None, updatedAt=None))
    return Answer(data=Entitlement(isPro=row[0], status=row[1], source=row[2], restoredAt=row[3], updatedAt=row[4]))
