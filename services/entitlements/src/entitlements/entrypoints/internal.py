"""The routes for other services. Where a route is about one user, that is the subject of the internal token."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atlas_contracts.callers import ENTITLEMENT, FORGET
from atlas_contracts.internal_api import (
    AppliedRequest,
    AppliedResult,
    EntitlementOverview,
    EntitlementView,
    ForgottenFacts,
    KnownCustomers,
    NewsRequest,
    NewsResult,
    PaymentVerdicts,
    ToldAgain,
    ToldAgainResult,
    VerdictsRequest,
)
from atlas_contracts.many_reads import MANY_ENTITLEMENTS, EntitlementsRequest, EntitlementsResult
from atlas_contracts.user_id import UserId
from atlas_kit.http.answers import JSON
from atlas_kit.http.doors import AdmittedCaller, Doors, GuardedRoute, caller_of
from atlas_kit.http.errors import Forbidden, InvalidRequest
from atlas_kit.messaging.broker import Broker
from atlas_kit.process.logs import line
from atlas_kit.storage.database import Database
from entitlements.adapters.told_again import told_again
from entitlements.domain.policy import Policy
from entitlements.use_cases.find_news import caught_up, find_news
from entitlements.use_cases.forget import forget_and_see
from entitlements.use_cases.read_entitlement import EntitlementReader, overview, view
from entitlements.use_cases.read_payments import customers_of, session_ids_of, verdicts_on
from entitlements.use_cases.wait_until_applied import wait_until_applied

FOLD_MS = 1_000
"""Milliseconds to wait until the first copy of an event is folded, before a second copy is compared with it."""
NEWS = "/internal/news"
MAX_NEWS_BYTES = 1024 * 1024
"""Largest body of that question: 500 facts of about 1.3 kB."""


def hot_read(reader: EntitlementReader, doors: Doors) -> Route:
    """``POST /internal/entitlements``: the one route here that bypasses FastAPI, because every page view asks it.

    It is a plain Starlette route, served by :class:`atlas_kit.http.lean.HotRoute` before FastAPI sees the request.
    docs/performance.md compares its reads per second with a plain FastAPI service.
    """

    async def entitlements(request: Request) -> Response:
        caller = caller_of(request)
        if caller.subject != caller.issuer:
            raise Forbidden  # a user's token is good for that user alone
        try:
            asked = EntitlementsRequest.model_validate_json(await request.body())
        except ValidationError as error:
            raise InvalidRequest from error
        if len(asked.request_ids) > 1:  # a single one is the id of this request as well
            line("entitlements.read", users=len(asked.user_ids), requestIds=" ".join(asked.request_ids))
        found = await reader.read_together(asked.user_ids)
        answer = EntitlementsResult(entitlements=[view(found[user]) for user in asked.user_ids])
        return Response(answer.model_dump_json(by_alias=True), media_type=JSON)

    return doors.route("POST", MANY_ENTITLEMENTS, entitlements)


def entitlement_route(reader: EntitlementReader) -> APIRouter:
    """``GET /internal/entitlement``: one user's, for whoever asks about one."""
    router = APIRouter(route_class=GuardedRoute)

    @router.get(ENTITLEMENT)
    async def entitlement(caller: AdmittedCaller) -> EntitlementView:
        return view(await reader.read(caller.subject))

    return router


def internal_routes(database: Database, broker: Broker, policy: Policy, folded: asyncio.Condition) -> APIRouter:
    """Every other route under ``/internal``. ``folded`` is notified after each batch that this replica folds."""
    router = APIRouter(prefix="/internal", route_class=GuardedRoute)

    @router.get("/overview")
    async def read_overview(caller: AdmittedCaller) -> EntitlementOverview:
        async with database.transaction() as connection:
            return await overview(connection, caller.subject, policy)

    @router.get("/customers")
    async def read_customers(caller: AdmittedCaller) -> KnownCustomers:
        async with database.transaction() as connection:
            return KnownCustomers(
                customer_ids=await customers_of(connection, caller.subject),
                checkout_session_ids=await session_ids_of(connection, caller.subject),
            )

    @router.post("/payment-verdicts")
    async def read_verdicts(asked: VerdictsRequest) -> PaymentVerdicts:
        async with database.transaction() as connection:
            return PaymentVerdicts(payments=await verdicts_on(connection, asked.checkout_session_ids, policy))

    @router.post("/applied")
    async def wait_for_events(asked: AppliedRequest) -> AppliedResult:
        done = await wait_until_applied(database, asked.event_ids, asked.timeout_ms, folded)
        return AppliedResult(applied=done)

    @router.post("/told-again")
    async def compare_with_first(asked: ToldAgain) -> ToldAgainResult:
        """Whether an event that arrives again contradicts its first copy; waits up to FOLD_MS for the first to be
        folded.
        """
        await wait_until_applied(database, [str(asked.data.get("eventId"))], FOLD_MS, folded)
        async with database.transaction() as connection:
            return await told_again(connection, asked.data)

    _news_route(router, database, broker, policy)
    return router


def forgetting_route(database: Database) -> APIRouter:
    """``POST /internal/v1/users/{user}/forget``: this service's part of what checkout does at its door of that name."""
    router = APIRouter(route_class=GuardedRoute)

    @router.post(FORGET)
    async def forget_user(caller: AdmittedCaller, user: UserId) -> ForgottenFacts:
        """Take the user's name out of ledger and projection, and their entry out of the state bucket."""
        if caller.subject != user:
            raise Forbidden
        facts, entry_removed = await forget_and_see(database, user)
        return ForgottenFacts(facts=facts, entry_removed=entry_removed)

    return router


def _news_route(router: APIRouter, database: Database, broker: Broker, policy: Policy) -> None:
    @router.post("/news")
    async def read_news(asked: NewsRequest) -> NewsResult:
        """Which of these facts say something new; what the broker holds already is folded first."""
        await caught_up(broker)
        async with database.transaction() as connection:
            return await find_news(connection, asked.facts, policy)
