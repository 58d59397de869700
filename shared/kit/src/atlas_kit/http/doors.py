"""The doors between services: a token is looked at before anything of a request's body is read.

What a token opens stands in :data:`atlas_contracts.callers.MAY_CALL` and nowhere else; a handler only reads who came in
(:func:`caller_of`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atlas_contracts.callers import MAY_CALL, READER, role_of
from atlas_kit.http.errors import Forbidden
from atlas_kit.http.identity import Caller, TokenVerifier

Handler = Callable[[Request], Awaitable[Response]]


class Doors:
    """One service's internal and operator's routes. ``readers`` are the further services that were admitted."""

    def __init__(self, verifier: TokenVerifier, readers: Collection[str] = ()) -> None:
        self._verifier, self._may_call, self._readers = verifier, MAY_CALL[verifier.audience], frozenset(readers)

    def admit(self, request: Request, path: str) -> None:
        """Let the caller of the route with this ``path`` in. Raises Unauthorized without a token for this service, and
        Forbidden where its issuer may not call this route (nobody may call what isn't in the table), or where a reader
        asks in another name than its own.
        """
        caller = self._verifier.verify(request.headers.get("authorization"))
        method = "GET" if request.method == "HEAD" else request.method
        role = role_of(caller.issuer, self._readers)
        if role not in self._may_call.get((method, path), ()) or (role == READER and caller.subject != caller.issuer):
            raise Forbidden
        request.state.caller = caller

    def route(self, method: str, path: str, handler: Handler) -> Route:
        """A route whose handler takes the request and reads its body itself."""

        async def guarded(request: Request) -> Response:
            self.admit(request, path)
            return await handler(request)

        return Route(path, guarded, methods=[method])


class GuardedRoute(APIRoute):
    """The route class of routers whose handlers declare what they take: FastAPI reads that out of the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            doors: Doors = request.app.state.doors
            doors.admit(request, self.path)
            return await handle(request)

        return guarded


def install_doors(app: FastAPI, doors: Doors) -> None:
    """What the application's :class:`GuardedRoute` s ask."""
    app.state.doors = doors


def caller_of(request: Request) -> Caller:
    """Who came in."""
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return caller


AdmittedCaller = Annotated[Caller, Depends(caller_of)]
"""A handler's parameter: the caller whom its :class:`GuardedRoute` has let in."""
