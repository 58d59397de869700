"""The two services behind the gateway, and how a route words that one of them doesn't answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Protocol, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from atlas_kit.http.errors import AtlasError, Unavailable
from atlas_kit.process.logs import get_logger

log = get_logger()

ModelT = TypeVar("ModelT", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]


class ReadsService(Protocol):
    """Reads from another service in a user's name (account_gateway.adapters.lean_client.LeanClient, or the one below)."""

    async def get(self, path: str, subject: str, answer: type[ModelT], *, seconds: float = ...) -> ModelT: ...


class AsksService(ReadsService, Protocol):
    """Asks another service in a user's name (atlas_kit.http.client.ServiceClient)."""

    async def post(
        self, path: str, subject: str, answer: type[ModelT], body: BaseModel | None = None, *, seconds: float = ...
    ) -> ModelT: ...


def unavailable_as(message: str, handler: Handler) -> Handler:
    """``handler``, but whatever is unavailable for it, sessions included, the caller reads the route's own message.

    So does one for whom a service behind failed in a way that it didn't foresee, and one whose request outlasts this
    process (the server cancels what is still there after its grace): asking again later is right for all of them.
    """

    async def worded(request: Request) -> Response:
        try:
            return await handler(request)
        except Unavailable as error:
            raise Unavailable(message, headers=error.headers) from error
        except AtlasError as error:
            if error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            log.warning("service.failed", route=getattr(request.scope.get("route"), "path", None))
            raise Unavailable(message) from error
        except asyncio.CancelledError as error:
            raise Unavailable(message) from error

    worded.__doc__ = handler.__doc__
    return worded
