"""An unknown page is a page: in the product's look for a browser, in the API's envelope for everybody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from account_gateway.entrypoints.api.navigation import wants_page
from account_gateway.entrypoints.pages.dependencies import PageDependencies
from account_gateway.entrypoints.pages.rendering import render
from atlas_kit.http.answers import error_response
from atlas_kit.http.errors import NotFound

NO_PAGES = ("/api/", "/static/", "/internal/", "/operator/")
"""Below these are no pages: a program asks there, whatever it says that it accepts."""


def unknown_path(pages: PageDependencies) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The application's handler of 404 for paths that no route has."""

    async def answer(request: Request, _error: Exception) -> Response:
        path = request.url.path
        if request.method != "GET" or not wants_page(request) or f"{path}/".startswith(NO_PAGES):
            return error_response(NotFound())
        # Nobody's session is looked up: strangers ask for many paths, and this page says the same to everybody.
        return render(request, "not_found.html", status=404, user_id=None, sign_in=pages.sign_in("/account"))

    return answer
