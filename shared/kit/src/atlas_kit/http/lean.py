"""The lean way round FastAPI, for routes that are asked so often that the framework would cost more than their work.

Two routes take it: the entitlement read at the gateway, and the same read inside the entitlements service.
docs/decisions/0012 has the measurement, and what would make us drop this.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class HotRoute:
    """Serves one route ahead of ``app``: its handler takes the request and gives the response.

    ``app`` has the route as well, for /openapi.json and for requests with other methods. Errors that the handler raises
    become answers in the edge (EdgeMiddleware), which has to stand around this.
    """

    def __init__(self, app: ASGIApp, route: Route) -> None:
        self._app, self._route, self._endpoint = app, route, route.endpoint
        self._path, self._methods = route.path, route.methods or frozenset[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] not in self._methods:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        response = await self._endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def only_route(router: APIRouter) -> Route:
    """The one route of a router. Raises ValueError when there are none or several."""
    [route] = router.routes
    assert isinstance(route, Route)
    return route
