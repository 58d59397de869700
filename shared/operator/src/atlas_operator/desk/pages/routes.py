"""The routes of the pages, `page_routes`, and the pages that other routes answer with, `DeskPages`.

This is the shape that the application expects; it is plain until the pages replace it.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from atlas_operator.desk.guards import SignedIn
from atlas_operator.desk.person import Visit
from atlas_operator.desk.ports import MESSAGES, Asked, Desk, Found, Refused

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


class DeskPages:
    """Makes the pages."""

    def found(self, _request: Request, visit: Visit, query: str, found: Found) -> Response:
        links = "".join(f'<li><a href="/buyer?{urlencode({"user": u})}">{escape(u)}</a></li>' for u in found.users)
        return _page(f"<p>{escape(found.said)}</p><ul>{links}</ul>{_search(visit, query)}")

    def buyer(
        self,
        request: Request,
        visit: Visit,
        told: Mapping[str, Any],
        *,
        asked: Asked | None = None,
        refused: Refused | None = None,
        status: int = 200,
    ) -> Response:
        del asked
        said = MESSAGES.get(request.query_params.get("done", ""), "")
        wrong = f'<p role="alert">{escape(str(refused))}</p>' if refused else ""
        return _page(f"<p>{escape(said)}</p>{wrong}<h1>{escape(told['sentence'])}</h1>{_search(visit)}", status)

    def problem(self, _request: Request, status: int, sentence: str) -> Response:
        return _page(f"<h1>{status}</h1><p>{escape(sentence)}</p>", status)


def page_routes(desk: Desk, pages: DeskPages) -> APIRouter:
    """``/`` (find), ``/buyer?user=…``, ``/today``, and the static files."""
    router = APIRouter()

    @router.get("/")
    def start(visit: SignedIn) -> Response:
        return _page(_search(visit))

    @router.get("/buyer")
    def buyer(request: Request, visit: SignedIn, user: str) -> Response:
        return pages.buyer(request, visit, desk.buyer(user))

    @router.get("/today")
    def today(_visit: SignedIn) -> Response:
        return _page(f"<h1>Today</h1><p>{len(desk.today().parked)} parked</p>")

    return router


def _search(visit: Visit, query: str = "") -> str:
    return (
        '<form method="post" action="/find"><label>Find a buyer <input name="query" '
        f'value="{escape(query)}"></label><input type="hidden" name="csrf" value="{escape(visit.csrf)}"></form>'
    )


def _page(body: str, status: int = 200) -> Response:
    page = f'<!doctype html><html lang="en"><title>Atlas support desk</title><body>{body}'
    return HTMLResponse(page, status, {"content-security-policy": CSP, "vary": "cookie"})
