"""Puts the support desk together: its settings, who may come in, what it asks, its routes and pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from atlas_kit.http.app import create_app, with_edge
from atlas_kit.process.logs import get_logger
from atlas_operator.desk.actions import action_routes
from atlas_operator.desk.errors import DeskError, NotAllowed, NotSignedIn, NotThere
from atlas_operator.desk.guards import form_for, visit_of
from atlas_operator.desk.pages.routes import DeskPages, page_routes
from atlas_operator.desk.ports import Desk, DeskUnavailable
from atlas_operator.desk.settings import DeskSettings
from atlas_operator.desk.sign_in import COOKIE, LINK_PATH, SESSION_SECONDS, Entrance, Links, Proxy, write_link

SERVICE = "desk"
MAX_BODY_BYTES = 16 * 1024
"""A form: a reason of 500 characters, ids of 255, each of which may be written as several escapes."""
log = get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that are made once and live as long as the process."""

    settings: DeskSettings
    desk: Desk
    entrance: Entrance
    pages: DeskPages


def build(settings: DeskSettings, desk: Desk) -> ASGIApp:
    """The desk for these settings; ``desk`` asks the services. Nothing is connected before the application starts."""
    parts = Parts(settings, desk, _entrance(settings), DeskPages())
    app = create_app(SERVICE, lambda _app: _lifespan(parts), lambda: {"entitlements": lambda: _answers(desk)})
    app.state.entrance, app.state.origin = parts.entrance, settings.desk_url
    if isinstance(parts.entrance, Links):
        app.include_router(_link_routes(parts.entrance))
    app.include_router(action_routes(desk, parts.pages))
    app.include_router(page_routes(desk, parts.pages))
    _answer_errors(app, parts.pages, settings)
    return with_edge(app, hsts=settings.secure, max_body_bytes=MAX_BODY_BYTES)


def _entrance(settings: DeskSettings) -> Entrance:
    if settings.desk_auth == "proxy":
        return Proxy(settings)
    tell = write_link(settings.desk_link_file) if settings.desk_link_file else _print_link
    return Links(settings.desk_url, tell)


def _print_link(link: str) -> None:
    """To whoever started the desk. No log line: those may be sent on to where more people read them."""
    print(f"Sign in at the support desk: {link}", flush=True)


@asynccontextmanager
async def _lifespan(parts: Parts) -> AsyncIterator[None]:
    if isinstance(parts.entrance, Links):
        parts.entrance.offer()
    yield


async def _answers(desk: Desk) -> None:
    await asyncio.to_thread(desk.check)


def _link_routes(links: Links) -> APIRouter:
    router = APIRouter()

    @router.get(LINK_PATH)
    async def sign_in(request: Request, link: str = "") -> Response:
        """The one-time link. A browser that only fetches ahead must not use it up."""
        if "prefetch" in request.headers.get("sec-purpose", request.headers.get("purpose", "")).lower():
            raise NotAllowed
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE, links.enter(link), max_age=SESSION_SECONDS, httponly=True, samesite="strict", path="/"
        )
        log.info("desk.signed_in", by="link")
        return answer

    read_form = form_for(visit_of)

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        await read_form(request)
        links.leave(request)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    return router


def _answer_errors(app: FastAPI, pages: DeskPages, settings: DeskSettings) -> None:
    """Every error is a page. None tells anything of what went wrong inside; that is in the log."""
    how = (
        "Use the newest link: ./atlas up shows it, and stack.json has it as desk.sign_in_url."
        if settings.desk_auth == "link"
        else "Open the desk through your company's sign-in."
    )

    async def on_desk_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, DeskError)
        sentence = f"{error} {how}" if isinstance(error, NotSignedIn) else str(error)
        return pages.problem(request, error.status, sentence)

    async def on_unavailable(request: Request, error: Exception) -> Response:
        return pages.problem(request, 503, str(error))

    async def on_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        missing = str(NotThere()) if error.status_code == 404 else "This can't be asked here."
        return pages.problem(request, error.status_code, missing)

    async def on_invalid(request: Request, _error: Exception) -> Response:
        return pages.problem(request, 400, "This address or form was not understood.")

    async def on_unforeseen(request: Request, _error: Exception) -> Response:
        return pages.problem(request, 500, "Something went wrong here. Nothing is known of what was done; look again.")

    app.add_exception_handler(DeskError, on_desk_error)
    app.add_exception_handler(DeskUnavailable, on_unavailable)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_unforeseen)
