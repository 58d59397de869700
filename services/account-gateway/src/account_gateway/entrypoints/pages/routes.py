"""``/pro``, ``/account``, ``/legal`` and what they are drawn with."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from account_gateway.entrypoints.api.checkout import log_checkout_return
from account_gateway.entrypoints.api.lean_route import unlisted_route
from account_gateway.entrypoints.api.navigation import see_other
from account_gateway.entrypoints.pages.arrival import arrival_toasts
from account_gateway.entrypoints.pages.context import PageContext
from account_gateway.entrypoints.pages.rendering import ASSETS, render
from account_gateway.entrypoints.pages.standing import SOURCES, Standing, standing_of, waiting_for
from account_gateway.entrypoints.pages.visitor import is_pro, overview_of, visitor_of

KEPT_THROUGH_SIGN_IN = ("checkout", "source", "checkout_session_id")


def page_routes(context: PageContext) -> list[BaseRoute]:
    """The pages' routes; ``context`` is all that they know of the gateway."""

    async def pro(request: Request) -> Response:
        visitor = await visitor_of(request, context)
        return render(
            request,
            "pro.html",
            user_id=visitor.user_id,
            is_pro=bool(visitor.user_id) and await is_pro(visitor.user_id or "", context),
            sign_in=context.sign_in("/pro"),
        )

    async def account(request: Request) -> Response:
        visitor = await visitor_of(request, context)
        log_checkout_return(request, visitor.user_id)
        overview = await overview_of(visitor.user_id, context) if visitor.user_id else None
        query = request.query_params
        if overview:
            standing = standing_of(overview, waiting_for(query.get("checkout"), query.get("view")))
        elif visitor.user_id or not visitor.sessions_answer:
            standing = Standing.UNAVAILABLE
        else:
            standing = Standing.SIGNED_OUT
        return render(
            request,
            "account.html",
            user_id=visitor.user_id,
            overview=overview,
            standing=standing,
            sources=SOURCES,
            sign_in=context.sign_in(_return_path(query)),
            toasts=arrival_toasts(query, standing, request.headers.get("referer", "")),
        )

    async def legal(request: Request) -> Response:
        visitor = await visitor_of(request, context)
        return render(request, "legal.html", user_id=visitor.user_id, sign_in=context.sign_in("/account"))

    async def home(_request: Request) -> Response:
        return see_other("/pro")

    return [
        unlisted_route("GET", "/pro", pro),
        unlisted_route("GET", "/account", account),
        unlisted_route("GET", "/legal", legal),
        unlisted_route("GET", "/", home),
        *ASSETS.routes(),
    ]


def _return_path(query: Mapping[str, str]) -> str:
    """Signing in again in the middle of a purchase leads back into it."""
    kept = {name: query[name] for name in KEPT_THROUGH_SIGN_IN if name in query}
    return f"/account?{urlencode(kept)}" if kept else "/account"
