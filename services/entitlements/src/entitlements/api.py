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
    CHECKOUT_SERVICE,
    GATEWAY_SERVICE,
    OPERATOR,
    AppliedRequest,
    AppliedResult,
    KnownCustomers,
    PaymentVerdicts,
    VerdictsRequest,
)
from atlas_kit.answers import JSON
from atlas_kit.database import Database
from atlas_kit.errors import Forbidden, InvalidRequest
from atlas_kit.identity import Caller, TokenVerifier
from entitlements.applied import wait_until_applied
from entitlements.domain.policy import Policy
from entitlements.payment_reads import customers_of, verdicts_on
from entitlements.reads import EntitlementReader, overview, view

ModelT = TypeVar("ModelT", bound=BaseModel)
READERS = (GATEWAY_SERVICE, CHECKOUT_SERVICE, OPERATOR)


@dataclass(frozen=True, slots=True)
class InternalApi:
    """The internal routes with what they need."""

    database: Database
    reader: EntitlementReader
    verifier: TokenVerifier
    policy: Policy
    folded: asyncio.Condition

    def routes(self) -> list[Route]:
        return [
            Route("/internal/entitlement", self.entitlement, methods=["GET"]),
            Route("/internal/overview", self.overview, methods=["GET"]),
            Route("/internal/customers", self.customers, methods=["GET"]),
            Route("/internal/payment-verdicts", self.verdicts, methods=["POST"]),
            Route("/internal/applied", self.applied, methods=["POST"]),
        ]

    async def entitlement(self, request: Request) -> Response:
        found = await self.reader.read(self._caller(request, *READERS).subject)
        return Response(view(found).model_dump_json(by_alias=True), media_type=JSON)

    async def overview(self, request: Request) -> Response:
        user_id = self._caller(request, GATEWAY_SERVICE, CHECKOUT_SERVICE).subject
        async with self.database.transaction() as connection:
            answer = await overview(connection, user_id, self.policy)
        return Response(answer.model_dump_json(by_alias=True), media_type=JSON)

    async def customers(self, request: Request) -> Response:
        user_id = self._caller(request, CHECKOUT_SERVICE).subject
        async with self.database.transaction() as connection:
            answer = KnownCustomers(customer_ids=await customers_of(connection, user_id))
        return Response(answer.model_dump_json(by_alias=True), media_type=JSON)

    async def verdicts(self, request: Request) -> Response:
        self._caller(request, CHECKOUT_SERVICE)
        asked = _parsed(VerdictsRequest, await request.body())
        async with self.database.transaction() as connection:
            answer = PaymentVerdicts(payments=await verdicts_on(connection, asked.checkout_session_ids, self.policy))
        return Response(answer.model_dump_json(by_alias=True), media_type=JSON)

    async def applied(self, request: Request) -> Response:
        self._caller(request, CHECKOUT_SERVICE)
        asked = _parsed(AppliedRequest, await request.body())
        done = await wait_until_applied(self.database, asked.event_ids, asked.timeout_ms, self.folded)
        return Response(AppliedResult(applied=done).model_dump_json(by_alias=True), media_type=JSON)

    def _caller(self, request: Request, *issuers: str) -> Caller:
        caller = self.verifier.verify(request.headers.get("authorization"))
        if caller.issuer not in issuers:
            raise Forbidden
        return caller


def _parsed(model: type[ModelT], body: bytes) -> ModelT:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest from error
