"""Serves a route without FastAPI, for routes that are called so often that FastAPI would cost more than their work.

Two routes use it: the entitlement read at the gateway, and the same read inside the entitlements service.
docs/decisions/0012 has the measurements, and says when this should be dropped.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class HotRoute:
    """Serves one route before ``app`` sees the request; the route's handler takes the request and returns the response.

    ``app`` has the route too, for /openapi.json and for requests with other methods. Errors of the handler are answered
    by EdgeMiddleware, which must be outside of this.
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
