"""Access control between services: a request's token is checked before anything of its body is read.

Which service may call which route is in :data:`atlas_contracts.callers.MAY_CALL` and nowhere else. A handler gets the
caller by :func:`caller_of`.
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

RouteHandler = Callable[[Request], Awaitable[Response]]


class Doors:
    """Access control for the internal and operator routes of one service.

    ``readers`` are the names of the further services that may use the routes of the role READER.
    """

    def __init__(self, verifier: TokenVerifier, readers: Collection[str] = ()) -> None:
        self._verifier, self._may_call, self._readers = verifier, MAY_CALL[verifier.audience], frozenset(readers)

    def admit(self, request: Request, path: str) -> None:
        """Check the caller of the route declared with this ``path``, and store it in the request.

        Raises Unauthorized without a valid token for this service, and Forbidden if its issuer may not call the route
        (nobody may call a route that isn't in the table) or if a reader's token has another subject than its own name.
        """
        caller = self._verifier.verify(request.headers.get("authorization"))
        method = "GET" if request.method == "HEAD" else request.method
        role = role_of(caller.issuer, self._readers)
        if role not in self._may_call.get((method, path), ()) or (role == READER and caller.subject != caller.issuer):
            raise Forbidden
        request.state.caller = caller

    def route(self, method: str, path: str, handler: RouteHandler) -> Route:
        """A route whose handler takes the request and reads its body itself."""

        async def guarded(request: Request) -> Response:
            self.admit(request, path)
            return await handler(request)

        return Route(path, guarded, methods=[method])


class GuardedRoute(APIRoute):
    """The route class of FastAPI routers: checks the caller before FastAPI reads the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            doors: Doors = request.app.state.doors
            doors.admit(request, self.path)
            return await handle(request)

        return guarded


def install_doors(app: FastAPI, doors: Doors) -> None:
    """Give the application's :class:`GuardedRoute` routes their access control."""
    app.state.doors = doors


def caller_of(request: Request) -> Caller:
    """The caller that the route's check has stored in the request."""
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return caller


AdmittedCaller = Annotated[Caller, Depends(caller_of)]
"""Type of a handler's parameter that gets the caller of its :class:`GuardedRoute`."""
