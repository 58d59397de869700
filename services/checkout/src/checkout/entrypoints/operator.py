"""The routes that the command line asks, with an operator's token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from atlas_contracts import unavailable
from atlas_contracts.internal_api import (
    EventId,
    ForgetRequest,
    ProviderPayment,
    ProviderStateEnd,
    SweepRequest,
)
from atlas_contracts.user_id import UserId
from atlas_kit.http.answers import JSON
from atlas_kit.http.doors import GuardedRoute
from checkout.entrypoints.failures import told_as
from checkout.use_cases.find_owner import whose
from checkout.use_cases.forget_user import forget_user
from checkout.use_cases.list_provider_state import provider_state
from checkout.use_cases.read_again import sweep
from checkout.use_cases.services import services_of

router = APIRouter(route_class=GuardedRoute)

NDJSON = "application/x-ndjson"
STRIPE_DOWN = unavailable.STRIPE
FIRST_LINE_SECONDS = 30
SWEEP_SECONDS = 300
FORGET_SECONDS = 60
DEFAULT_DAYS = 365
MAX_DAYS = 3650
MAX_SESSIONS = 500
"""As many as fit into a request's head."""


@router.get("/operator/provider-state")
async def read_provider_state(
    request: Request,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = DEFAULT_DAYS,
    user: Annotated[UserId | None, Query()] = None,
    session: Annotated[list[str] | None, Query(max_length=MAX_SESSIONS)] = None,
) -> Response:
    """NDJSON: one ProviderPayment per line, and a ProviderStateEnd (without which the answer was cut off).

    ``session`` (repeated, with ``user``): sessions that an earlier look found, read again whatever leads to them.
    """
    services = services_of(request)
    payments = provider_state(
        services.database, services.stripe, services.policy, days=days, user_id=user, session_ids=session or ()
    )
    # Ask for the first before the answer begins, so that Stripe being away is a 503 and no half answer.
    async with told_as(STRIPE_DOWN, seconds=FIRST_LINE_SECONDS):
        first = await anext(payments, None)
    return StreamingResponse(_lines(first, payments), media_type=NDJSON)


@router.get("/operator/whose")
async def read_whose(request: Request, object_id: Annotated[EventId, Query(alias="id")]) -> Response:
    """Whose an object at Stripe is."""
    services = services_of(request)
    async with told_as(STRIPE_DOWN, seconds=FIRST_LINE_SECONDS):
        found = await whose(services.database, services.stripe, object_id)
    return Response(found.model_dump_json(by_alias=True), media_type=JSON)


@router.post("/operator/sweep")
async def sweep_payments(request: Request, body: SweepRequest) -> Response:
    services = services_of(request)
    async with told_as(STRIPE_DOWN, seconds=SWEEP_SECONDS):
        result = await sweep(services.stripe, services.broker, body)
    return Response(result.model_dump_json(by_alias=True), media_type=JSON)


@router.post("/operator/forget")
async def forget(request: Request, body: ForgetRequest) -> Response:
    """Take a user out of this database and out of what we wrote at Stripe; 409 while a payment is being processed."""
    services = services_of(request)
    async with told_as(STRIPE_DOWN, seconds=FORGET_SECONDS):
        result = await forget_user(services.database, services.stripe, body.user_id, even_if_paying=body.even_if_paying)
    return Response(result.model_dump_json(by_alias=True), media_type=JSON)


async def _lines(first: ProviderPayment | None, rest: AsyncIterator[ProviderPayment]) -> AsyncIterator[str]:
    count = 0
    if first:
        count += 1
        yield first.model_dump_json(by_alias=True) + "\n"
    async for payment in rest:
        count += 1
        yield payment.model_dump_json(by_alias=True) + "\n"
    yield ProviderStateEnd(payments=count).model_dump_json(by_alias=True) + "\n"
