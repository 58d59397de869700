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

from atlas_contracts.internal_api import INGEST_SERVICE, OPERATOR, ForgetRequest
from atlas_contracts.user_id import UserId
from atlas_kit.database import Database
from atlas_kit.errors import Forbidden, InvalidRequest
from atlas_kit.identity import TokenVerifier
from entitlements.domain.policy import Policy
from entitlements.explain import explain
from entitlements.forget import forget
from entitlements.holders import changeable_payments, holders

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
    verifier: TokenVerifier
    policy: Policy

    def routes(self) -> list[Route]:
        return [
            Route("/operator/explain", self.explain, methods=["GET"]),
            Route("/operator/holders", self.holders, methods=["GET"]),
            Route("/operator/payments", self.payments, methods=["GET"]),
            Route("/operator/state", self.state, methods=["GET"]),
            Route("/operator/rebuild", self.rebuild, methods=["POST"]),
            Route("/operator/forget", self.forget, methods=["POST"]),
        ]

    async def explain(self, request: Request) -> Response:
        self._authorize(request)
        user_id = _named_user(request)
        if user_id is None:
            raise InvalidRequest("Name a user: ?user=…")
        async with self.database.transaction() as connection:
            return JSONResponse(await explain(connection, user_id, self.policy))

    async def holders(self, request: Request) -> Response:
        self._authorize(request)
        user_id = _named_user(request)

        async def lines() -> AsyncIterator[str]:
            async with self.database.transaction() as connection:
                async for holder in holders(connection, user_id, self.policy):
                    yield json.dumps(holder) + "\n"

        return StreamingResponse(lines(), media_type=NDJSON)

    async def payments(self, request: Request) -> Response:
        """A page of payments whose state can still change, for the sweep."""
        self._authorize(request, INGEST_SERVICE)
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) <= MAX_DIGITS):
            raise InvalidRequest("after must be a whole number.")
        async with self.database.transaction() as connection:
            return JSONResponse(await changeable_payments(connection, int(after), PAGE))

    async def state(self, request: Request) -> Response:
        """Figures for doctor: how much the ledger holds and how old the oldest unpublished event is."""
        self._authorize(request)
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
        self._authorize(request)
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
        self._authorize(request)
        asked = _parsed(ForgetRequest, await request.body())
        async with self.database.transaction() as connection:
            return JSONResponse({"facts": await forget(connection, asked.user_id)})

    def _authorize(self, request: Request, *others: str) -> None:
        if self.verifier.verify(request.headers.get("authorization")).issuer not in (OPERATOR, *others):
            raise Forbidden


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
