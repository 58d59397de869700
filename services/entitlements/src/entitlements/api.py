"""What other services may ask, each what it needs. The user is the token's subject, never a part of the request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atlas_contracts.internal_api import AppliedRequest, AppliedResult
from atlas_kit.answers import JSON
from atlas_kit.database import Database
from atlas_kit.doors import Doors, caller_of
from atlas_kit.errors import InvalidRequest
from entitlements.applied import wait_until_applied
from entitlements.domain.policy import Policy
from entitlements.reads import EntitlementReader, overview, view


@dataclass(frozen=True, slots=True)
class InternalApi:
    """The internal routes with what they need."""

    database: Database
    reader: EntitlementReader
    doors: Doors
    policy: Policy
    folded: asyncio.Condition

    def routes(self) -> list[Route]:
        return [
            self.doors.route("GET", "/internal/entitlement", self.entitlement),
            self.doors.route("GET", "/internal/overview", self.overview),
            self.doors.route("POST", "/internal/applied", self.applied),
        ]

    async def entitlement(self, request: Request) -> Response:
        found = await self.reader.read(caller_of(request).subject)
        return Response(view(found).model_dump_json(by_alias=True), media_type=JSON)

    async def overview(self, request: Request) -> Response:
        user_id = caller_of(request).subject
        async with self.database.transaction() as connection:
            answer = await overview(connection, user_id, self.policy)
        return Response(answer.model_dump_json(by_alias=True), media_type=JSON)

    async def applied(self, request: Request) -> Response:
        try:
            asked = AppliedRequest.model_validate_json(await request.body())
        except ValueError as error:
            raise InvalidRequest from error
        done = await wait_until_applied(self.database, asked.event_ids, asked.timeout_ms, self.folded)
        return Response(AppliedResult(applied=done).model_dump_json(by_alias=True), media_type=JSON)
