"""The routes of the pages, `page_routes`, and the pages that other routes answer with, `DeskPages`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from atlas_operator.desk.guards import SignedIn
from atlas_operator.desk.pages.buyer_view import buyer_view
from atlas_operator.desk.pages.rendering import STATIC, render
from atlas_operator.desk.pages.today_view import today_view
from atlas_operator.desk.person import Visit
from atlas_operator.desk.ports import ActionForm, ActionRefused, Desk, FoundBuyers

HAVE = "x-desk-have"
"""Header by which the script says what it shows (a page's digest): 204 where nothing of it has changed."""


class DeskPages:
    """Makes the pages; see :class:`atlas_operator.desk.ports.Pages`."""

    def found(self, request: Request, visit: Visit, query: str, found: FoundBuyers) -> Response:
        return render(request, "found.html", visit=visit, query=query, found=found)

    def buyer(
        self,
        request: Request,
        visit: Visit,
        told: Mapping[str, Any],
        *,
        asked: ActionForm | None = None,
        refused: ActionRefused | None = None,
        status: int = 200,
    ) -> Response:
        values = buyer_view(told, visit, datetime.now(UTC), asked, refused)
        # A form that was refused stays as it is: the page after it is not refreshed.
        digest = "" if refused else _digest(told)
        return render(request, "buyer.html", visit=visit, status=status, digest=digest, **values)

    def problem(self, request: Request, status: int, sentence: str) -> Response:
        return render(request, "problem.html", visit=None, status=status, code=status, sentence=sentence)


def page_routes(desk: Desk, pages: DeskPages) -> APIRouter:
    """``/`` (find), ``/buyer?user=…``, ``/today``, and the static files."""
    router = APIRouter()

    @router.get("/")
    def start(request: Request, visit: SignedIn) -> Response:
        return render(request, "find.html", visit=visit)

    @router.get("/buyer")
    def buyer(request: Request, visit: SignedIn, user: str) -> Response:
        told = desk.buyer(user)
        return _unchanged(request, told) or pages.buyer(request, visit, told)

    @router.get("/today")
    def today(request: Request, visit: SignedIn) -> Response:
        told = desk.today()
        values = asdict(told)
        if unchanged := _unchanged(request, values):
            return unchanged
        return render(request, "today.html", visit=visit, digest=_digest(values), **today_view(told, visit))

    router.include_router(STATIC.routes())
    return router


def _digest(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _unchanged(request: Request, told: Mapping[str, Any]) -> Response | None:
    have = request.headers.get(HAVE)
    return Response(status_code=204) if have and have == _digest(told) else None
