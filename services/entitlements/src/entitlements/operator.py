"""What operators may ask (the ``atlas`` command line): explain, rebuild, forget, audit; with an operator's token."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from atlas_contracts.internal_api import ForgetRequest
from atlas_contracts.user_id import UserId, is_user_id
from atlas_kit.database import Database
from atlas_kit.doors import Doors
from atlas_kit.errors import InvalidRequest
from entitlements.domain.policy import Policy
from entitlements.explain import explain
from entitlements.find import find
from entitlements.forget import forget
from entitlements.holders import changeable_payments, holders
from entitlements.reviews import reviews

NDJSON = "application/x-ndjson"
PAGE = 200
MAX_DIGITS = 18
"""A sequence number has 63 bits."""
_USER = TypeAdapter[str](UserId)


class RebuildRequest(BaseModel):
    verify: bool = True


@dataclass(frozen=True, slots=True)
class OperatorApi:
    """The operator's routes with what they need."""

    database: Database
    doors: Doors
    policy: Policy

    def routes(self) -> list[Route]:
        return [
            self.doors.route("GET", "/operator/explain", self.explain),
            self.doors.route("GET", "/operator/find", self.find),
            self.doors.route("GET", "/operator/reviews", self.reviews),
            self.doors.route("GET", "/operator/holders", self.holders),
            self.doors.route("GET", "/operator/payments", self.payments),
            self.doors.route("GET", "/operator/state", self.state),
            self.doors.route("POST", "/operator/rebuild", self.rebuild),
            self.doors.route("POST", "/operator/forget", self.forget),
        ]

    async def explain(self, request: Request) -> Response:
        user_id = _named_user(request)
        if user_id is None:
            raise InvalidRequest("Name a user: ?user=…")
        async with self.database.transaction() as connection:
            return JSONResponse(await explain(connection, user_id, self.policy))

    async def find(self, request: Request) -> Response:
        """Users and payments by any id that the ledger knows."""
        wanted = request.query_params.get("id", "")
        if not is_user_id(wanted):
            raise InvalidRequest("Name an id: ?id=…")
        async with self.database.transaction() as connection:
            return JSONResponse(await find(connection, wanted))

    async def reviews(self, _request: Request) -> Response:
        """Payments that a person has to look at, and fraud warnings."""
        async with self.database.transaction() as connection:
            return JSONResponse(await reviews(connection))

    async def holders(self, request: Request) -> Response:
        user_id = _named_user(request)

        async def lines() -> AsyncIterator[str]:
            async with self.database.transaction() as connection:
                async for holder in holders(connection, user_id, self.policy):
                    yield json.dumps(holder) + "\n"

        return StreamingResponse(lines(), media_type=NDJSON)

    async def payments(self, request: Request) -> Response:
        """A page of payments whose state can still change, for the sweep."""
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) <= MAX_DIGITS):
            raise InvalidRequest("after must be a whole number.")
        async with self.database.transaction() as connection:
            return JSONResponse(await changeable_payments(connection, int(after), PAGE))

    async def state(self, _request: Request) -> Response:
        """Figures for doctor: how much the ledger holds and how old the oldest unpublished event is."""
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                "SELECT (SELECT count(*) FROM ledger), (SELECT max(seq) FROM ledger), (SELECT count(*) FROM outbox),"
                " (SELECT extract(epoch FROM now() - min(created_at))::float8 FROM outbox),"
                " (SELECT version_num FROM alembic_version)"
            )
            row = await cursor.fetchone()
        names = ("ledgerFacts", "ledgerSeq", "outboxBacklog", "outboxAgeSeconds", "migration")
        return JSONResponse(dict(zip(names, row or (), strict=False)))

    async def rebuild(self, request: Request) -> Response:
        """Progress and result as NDJSON. A process of its own: folding everything must not slow down the reads."""
        asked = _parsed(RebuildRequest, await request.body())
        arguments = ["rebuild", *(["--verify"] if asked.verify else [])]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "entitlements", *arguments, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout
        output = process.stdout

        async def lines() -> AsyncIterator[bytes]:
            try:
                async for line in output:
                    yield line
                if await process.wait():
                    yield b'{"error": "The rebuild failed; see the service\'s log."}\n'
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

        return StreamingResponse(lines(), media_type=NDJSON)

    async def forget(self, request: Request) -> Response:
        asked = _parsed(ForgetRequest, await request.body())
        async with self.database.transaction() as connection:
            return JSONResponse({"facts": await forget(connection, asked.user_id)})


def _named_user(request: Request) -> str | None:
    """``?user=``, None without it. Raises InvalidRequest for what can't be a user id."""
    named = request.query_params.get("user")
    try:
        return _USER.validate_python(named) if named else None
    except ValueError as error:
        raise InvalidRequest from error


def _parsed(model: type[Any], body: bytes) -> Any:
    try:
        return model.model_validate_json(body or b"{}")
    except ValueError as error:
        raise InvalidRequest from error
