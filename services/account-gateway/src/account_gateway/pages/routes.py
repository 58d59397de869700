"""``/pro`` and ``/account``. Placeholder until the real pages are here."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from account_gateway.checkout import log_checkout_return
from account_gateway.lean_route import unlisted_route
from account_gateway.page_context import PAGE_CSP, PageContext


def page_routes(context: PageContext) -> list[BaseRoute]:
    async def pro(_request: Request) -> Response:
        return _page("Upgrade only when deeper insight will help.")

    async def account(request: Request) -> Response:
        log_checkout_return(request, await context.sessions.user_of(request.headers))
        return _page("Atlas Pro")

    return [unlisted_route("GET", "/pro", pro), unlisted_route("GET", "/account", account)]


def _page(title: str) -> Response:
    return HTMLResponse(
        f"<!doctype html><title>{title}</title><h1>{title}</h1>", headers={"content-security-policy": PAGE_CSP}
    )
