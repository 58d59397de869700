"""The routes for operators (the ``atlas`` command line), who come with an operator's token."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from atlas_contracts.internal_api import ForgetRequest
from atlas_contracts.user_id import UserId
from atlas_kit.http.doors import GuardedRoute
from atlas_kit.storage.database import Database
from entitlements.adapters.rebuild_process import rebuild_process
from entitlements.domain.policy import Policy
from entitlements.use_cases.explain import explain
from entitlements.use_cases.find_ids import find
from entitlements.use_cases.forget import forget_and_see
from entitlements.use_cases.holders import changeable_payments, holders
from entitlements.use_cases.list_kept import kept_facts
from entitlements.use_cases.list_reviews import reviews
from entitlements.use_cases.read_figures import figures

NDJSON = "application/x-ndjson"
PAGE = 200
"""Payments per answer."""
FACTS_PAGE = 500
"""Facts per answer, of some 2 kB each."""
MAX_SEQUENCE = 10**18
"""A sequence number has 63 bits."""


class RebuildRequest(BaseModel):
    """``verify``: true only compares and changes nothing; false also repairs."""

    verify: bool = True


def operator_routes(database: Database, policy: Policy) -> APIRouter:
    """Every route under ``/operator``."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)
    _questions_about_users(router, database, policy)
    _lists(router, database)

    @router.post("/rebuild")
    async def start_rebuild(asked: RebuildRequest | None = None) -> StreamingResponse:
        """Start a rebuild; its progress and result are the answer, as NDJSON."""
        verify_only = asked is None or asked.verify
        return StreamingResponse(_rebuild_lines(verify_only=verify_only), media_type=NDJSON)

    @router.post("/forget")
    async def forget_user(asked: ForgetRequest) -> dict[str, int]:
        facts, _ = await forget_and_see(database, asked.user_id)
        return {"facts": facts}

    return router


def _questions_about_users(router: APIRouter, database: Database, policy: Policy) -> None:
    @router.get("/explain")
    async def explain_user(user: UserId) -> dict[str, Any]:
        async with database.transaction() as connection:
            return await explain(connection, user, policy)

    @router.get("/find")
    async def find_id(wanted: Annotated[UserId, Query(alias="id")]) -> dict[str, Any]:
        """Users and payments by any id that the ledger knows: a user's or Stripe's."""
        async with database.transaction() as connection:
            return await find(connection, wanted)

    @router.get("/kept")
    async def read_kept(user: UserId, after: Annotated[int, Query(ge=0, lt=MAX_SEQUENCE)] = 0) -> dict[str, Any]:
        """A page of everything that the ledger has about a user."""
        async with database.transaction() as connection:
            return await kept_facts(connection, user, after, FACTS_PAGE)

    @router.get("/holders")
    async def list_holders(user: UserId | None = None) -> StreamingResponse:
        """Users with their entitlement and payments, as NDJSON: one line per user, or only ``user``'s."""

        async def lines() -> AsyncIterator[str]:
            async with database.transaction() as connection:
                async for holder in holders(connection, user, policy):
                    yield json.dumps(holder) + "\n"

        return StreamingResponse(lines(), media_type=NDJSON)


def _lists(router: APIRouter, database: Database) -> None:
    @router.get("/reviews")
    async def list_reviews() -> dict[str, Any]:
        """Payments that a person has to look at, and fraud warnings."""
        async with database.transaction() as connection:
            return await reviews(connection)

    @router.get("/payments")
    async def list_changeable_payments(after: Annotated[int, Query(ge=0, lt=MAX_SEQUENCE)] = 0) -> dict[str, Any]:
        """A page of payments whose state can still change at Stripe."""
        async with database.transaction() as connection:
            return await changeable_payments(connection, after, PAGE)

    @router.get("/state")
    async def read_state() -> dict[str, Any]:
        """Figures for ``atlas doctor``."""
        async with database.transaction() as connection:
            return await figures(connection)


async def _rebuild_lines(*, verify_only: bool) -> AsyncIterator[bytes]:
    async with rebuild_process(verify_only=verify_only) as process:
        assert process.stdout
        async for line in process.stdout:
            yield line
        if await process.wait():
            yield b'{"error": "The rebuild failed. See the log of the entitlements service for the reason."}\n'
