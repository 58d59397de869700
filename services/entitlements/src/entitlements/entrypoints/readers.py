"""What other Atlas services may ask, once they are admitted: who is Pro, one user or many.

How they are admitted, and how to ask, is in docs/consuming-entitlements.md. The users are a part of the question here.
The token only says which service asks.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from atlas_contracts.read_api import READ_MANY, READ_ONE, EntitlementQuery, EntitlementRecord, EntitlementRecords
from atlas_contracts.user_id import UserId
from atlas_kit.http.doors import GuardedRoute
from entitlements.use_cases.read_entitlement import EntitlementReader, record


def read_routes(reader: EntitlementReader) -> APIRouter:
    """Every route under ``/v1``."""
    router = APIRouter(route_class=GuardedRoute)

    @router.get(READ_ONE)
    async def read_one(user: Annotated[UserId, Path(alias="userId")]) -> EntitlementRecord:
        return record(await reader.read(user))

    @router.post(READ_MANY)
    async def read_many(asked: EntitlementQuery) -> EntitlementRecords:
        found = await reader.read_many(asked.user_ids)
        return EntitlementRecords(entitlements=[record(found[user]) for user in asked.user_ids])

    return router
