"""``/pro``, ``/account``, ``/legal`` and the files they need."""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from account_gateway.entrypoints.api.checkout import log_checkout_return
from account_gateway.entrypoints.api.navigation import see_other
from account_gateway.entrypoints.pages.account_state import SOURCES, AccountState, account_state, waiting_for
from account_gateway.entrypoints.pages.arrival import arrival_toasts
from account_gateway.entrypoints.pages.dependencies import PageDependencies
from account_gateway.entrypoints.pages.price import price_for
from account_gateway.entrypoints.pages.rendering import ASSETS, render
from account_gateway.entrypoints.pages.visitor import overview_of, state_to_sell_to, visitor_of

NOT_SOLD_TO = (AccountState.PRO, AccountState.PROCESSING, AccountState.NEEDS_REVIEW)
"""Checkout refuses them, so that the page doesn't offer it."""
KEPT_THROUGH_SIGN_IN = ("checkout", "source", "checkout_session_id")


def page_routes(pages: PageDependencies) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/pro")
    async def pro(request: Request) -> Response:
        visitor = await visitor_of(request, pages)
        state, offers = await asyncio.gather(state_to_sell_to(visitor.user_id, pages), pages.offers())
        return render(
            request,
            "pro.html",
            user_id=visitor.user_id,
            standing=state,
            sells=state not in NOT_SOLD_TO,
            price=price_for(request.headers.get("accept-language", ""), offers),
            sign_in=pages.sign_in("/pro"),
        )

    @router.get("/account")
    async def account(request: Request) -> Response:
        return await _account_page(request, pages)

    @router.get("/legal")
    async def legal(request: Request) -> Response:
        visitor = await visitor_of(request, pages)
        return render(request, "legal.html", user_id=visitor.user_id, sign_in=pages.sign_in("/account"))

    @router.get("/")
    async def home() -> Response:
        return see_other("/pro")

    router.include_router(ASSETS.routes())
    return router


async def _account_page(request: Request, pages: PageDependencies) -> Response:
    visitor = await visitor_of(request, pages)
    log_checkout_return(request, visitor.user_id)
    overview = await overview_of(visitor.user_id, pages) if visitor.user_id else None
    query = request.query_params
    if overview:
        state = account_state(overview, waiting_for(query.get("checkout"), query.get("view")))
    elif visitor.user_id or not visitor.sessions_answer:
        state = AccountState.UNAVAILABLE
    else:
        state = AccountState.SIGNED_OUT
    return render(
        request,
        "account.html",
        user_id=visitor.user_id,
        overview=overview,
        standing=state,
        sources=SOURCES,
        sign_out=pages.sign_out,
        sign_in=pages.sign_in(_return_path(query)),
        toasts=arrival_toasts(query, state, request.headers.get("referer", "")),
    )


def _return_path(query: Mapping[str, str]) -> str:
    """Signing in again in the middle of a purchase leads back into it."""
    kept = {name: query[name] for name in KEPT_THROUGH_SIGN_IN if name in query}
    return f"/account?{urlencode(kept)}" if kept else "/account"
