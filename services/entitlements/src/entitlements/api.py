"""What other services may ask, each what it needs. The user is the token's subject, never a part of the request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atlas_contracts.internal_api import (
    AppliedRequest,
    AppliedResult,
    KnownCustomers,
    PaymentVerdicts,
    ToldAgain,
    VerdictsRequest,
)
from atlas_kit.answers import JSON
from atlas_kit.database import Database
from atlas_kit.doors import Doors, caller_of
from atlas_kit.errors import InvalidRequest
from entitlements.applied import wait_until_applied
from entitlements.domain.policy import Policy
from entitlements.payment_reads import customers_of, verdicts_on
from entitlements.reads import EntitlementReader, overview, view
from entitlements.told_again import told_again

FOLD_MS = 1_000
"""How long the first telling of an event may still be on its way here."""

ModelT = TypeVar("ModelT", bound=BaseModel)


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
            self.doors.route("GET", "/internal/customers", self.customers),
            self.doors.route("POST", "/internal/payment-verdicts", self.verdicts),
            self.doors.route("POST", "/internal/applied", self.applied),
            self.doors.route("POST", "/internal/told-again", self.told_again),
        ]

    async def entitlement(self, request: Request) -> Response:
        found = await self.reader.read(caller_of(request).subject)
        return Response(view(found).model_dump_json(by_alias=True), media_type=JSON)

    async def overview(self, request: Request) -> Response:
        user_id = caller_of(request).subject
        async with self.database.transaction() as connection:
            answer = await overview(connection, user_id, self.policy)
        return Response(answer.model_dump_json(by_alias=True), media_type=JSON)

    async def customers(self, request: Request) -> Response:
        user_id = caller_of(request).subject
        async with self.database.transaction() as connection:
            answer = KnownCustomers(customer_ids=await customers_of(connection, user_id))
        return Response(answer.model_dump_json(by_alias=True), media_type=JSON)

    async def verdicts(self, request: Request) -> Response:
        asked = _parsed(VerdictsRequest, await request.body())
        async with self.database.transaction() as connection:
            answer = PaymentVerdicts(payments=await verdicts_on(connection, asked.checkout_session_ids, self.policy))
        return Response(answer.model_dump_json(by_alias=True), media_type=JSON)

    async def applied(self, request: Request) -> Response:
        asked = _parsed(AppliedRequest, await request.body())
        done = await wait_until_applied(self.database, asked.event_ids, asked.timeout_ms, self.folded)
        return Response(AppliedResult(applied=done).model_dump_json(by_alias=True), media_type=JSON)

    async def told_again(self, request: Request) -> Response:
        """Whether a known event, told again, contradicts its first; one that isn't folded yet is waited for."""
        data = _parsed(ToldAgain, await request.body()).data
        await wait_until_applied(self.database, [str(data.get("eventId"))], FOLD_MS, self.folded)
        async with self.database.transaction() as connection:
            answer = await told_again(connection, data)
        return Response(answer.model_dump_json(by_alias=True), media_type=JSON)


def _parsed(model: type[ModelT], body: bytes) -> ModelT:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest from error
