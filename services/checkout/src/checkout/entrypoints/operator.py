"""The routes that the command line asks, with an operator's token; webhook-ingest asks for the sweep too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from atlas_contracts import unavailable
from atlas_contracts.internal_api import (
    EventId,
    ForgetRequest,
    ForgetResult,
    ProviderPayment,
    ProviderStateEnd,
    SweepRequest,
    SweepResult,
    Whose,
)
from atlas_contracts.user_id import UserId
from atlas_kit.http.doors import GuardedRoute
from atlas_kit.storage.database import Database
from checkout.adapters.kept import kept_about
from checkout.adapters.stripe_gateway import StripeGateway
from checkout.entrypoints.deletion import FORGET_SECONDS
from checkout.entrypoints.failures import told_as
from checkout.ports import Publisher
from checkout.use_cases.find_owner import find_owner
from checkout.use_cases.forget_user import Forgetting, forget_user
from checkout.use_cases.list_provider_state import ProviderPolicy, list_provider_state
from checkout.use_cases.read_again import read_again

NDJSON = "application/x-ndjson"
STRIPE_DOWN = unavailable.STRIPE
FIRST_LINE_SECONDS = 30
SWEEP_SECONDS = 300
DEFAULT_DAYS = 365
MAX_DAYS = 3650
MAX_SESSIONS = 500
"""Ids in one request: as many as fit into its URL."""


def operator_routes(
    database: Database, stripe: StripeGateway, broker: Publisher, policy: ProviderPolicy, forgetting: Forgetting
) -> APIRouter:
    """``/operator/`` and ``provider-state``, ``whose``, ``sweep``, ``forget``, ``kept``."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)
    _provider_state_route(router, database, stripe, policy)

    @router.get("/whose")
    async def read_whose(object_id: Annotated[EventId, Query(alias="id")]) -> Whose:
        """The user and payment to which an object at Stripe belongs."""
        async with told_as(STRIPE_DOWN, seconds=FIRST_LINE_SECONDS):
            return await find_owner(database, stripe, object_id)

    @router.post("/sweep")
    async def sweep_payments(body: SweepRequest) -> SweepResult:
        """Read the named payments again at Stripe and publish their state."""
        async with told_as(STRIPE_DOWN, seconds=SWEEP_SECONDS):
            return await read_again(stripe, broker, body)

    @router.post("/forget")
    async def forget(body: ForgetRequest) -> ForgetResult:
        """Forget a user everywhere; 409 while a payment of theirs is being processed."""
        async with told_as(unavailable.FORGETTING, seconds=FORGET_SECONDS):
            return await forget_user(forgetting, body.user_id, even_if_paying=body.even_if_paying)

    @router.get("/kept")
    async def read_kept(user: UserId) -> dict[str, list[dict[str, Any]]]:
        """Everything that this service's database has about a user: ``customers`` and ``sessions``."""
        return await kept_about(database, user)

    return router


def _provider_state_route(router: APIRouter, database: Database, stripe: StripeGateway, policy: ProviderPolicy) -> None:
    @router.get("/provider-state", response_class=StreamingResponse)
    async def read_provider_state(
        days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = DEFAULT_DAYS,
        user: Annotated[UserId | None, Query()] = None,
        session: Annotated[list[str] | None, Query(max_length=MAX_SESSIONS)] = None,
    ) -> Response:
        """NDJSON: one ProviderPayment per line, and a ProviderStateEnd (without which the answer was cut off).

        ``session`` (repeated, with ``user``): sessions that an earlier answer named; they are read whether or not the
        user's customer or our own record still leads to them.
        """
        payments = list_provider_state(database, stripe, policy, days=days, user_id=user, session_ids=session or ())
        # The first payment is read before the answer begins, so that a failure of Stripe becomes a 503.
        async with told_as(STRIPE_DOWN, seconds=FIRST_LINE_SECONDS):
            first = await anext(payments, None)
        return StreamingResponse(_lines(first, payments), media_type=NDJSON)


async def _lines(first: ProviderPayment | None, rest: AsyncIterator[ProviderPayment]) -> AsyncIterator[str]:
    count = 0
    if first:
        count += 1
        yield first.model_dump_json(by_alias=True) + "\n"
    async for payment in rest:
        count += 1
        yield payment.model_dump_json(by_alias=True) + "\n"
    yield ProviderStateEnd(payments=count).model_dump_json(by_alias=True) + "\n"
