"""Which requests may change something: no prefetch, none from another site, no form posted from elsewhere, only JSON.

Each is a dependency of the routes that need it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.requests import Request

from atlas_kit.http.errors import Forbidden, InvalidRequest
from atlas_kit.process.settings import normal_origin

ModelT = TypeVar("ModelT", bound=BaseModel)
ORIGIN_SLASHES = 2
NEXT_ROUTER = (
    "rsc",
    "next-router-state-tree",
    "next-router-prefetch",
    "next-router-segment-prefetch",
    "next-url",
)
"""Headers of the fetches that a Next.js router makes by itself; no navigation of a browser has them."""
Guard = Callable[[Request], Awaitable[None]]
"""Raises Forbidden for a request that it refuses."""


def same_origin(origin: str) -> Guard:
    """The dependency of every POST on this ``origin``."""

    async def refuse_others(request: Request) -> None:
        require_same_origin(request.headers, origin)

    return refuse_others


async def no_prefetch(request: Request) -> None:
    """The dependency of every GET that makes something at Stripe."""
    refuse_prefetch_and_cross_site(request.headers)


def body_as(model: type[ModelT], message: str | None = None) -> Callable[[Request], Awaitable[ModelT]]:
    """The dependency that reads a JSON body; none at all counts as an empty object.

    Raises InvalidRequest with ``message`` for anything else. FastAPI's own parsing would read the body before the other
    dependencies, so that a stranger's malformed request were told 400 instead of 401 or 403.
    """

    async def body(request: Request) -> ModelT:
        raw = await _json_bytes(request, message)
        try:
            return model.model_validate_json(raw or b"{}")
        except ValidationError:
            raise InvalidRequest(message) from None

    return body


async def any_json(request: Request) -> None:
    """The dependency of a POST that needs no body. Raises InvalidRequest for one that isn't declared as JSON."""
    await _json_bytes(request, None)


def refuse_prefetch_and_cross_site(headers: Headers) -> None:
    """Raises Forbidden for a prefetch, for a Next.js router's fetch ahead of a navigation (each click would count twice
    and open two sessions), and for another site's request.
    """
    purposes = (headers.get(name, "") for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))
    if any("prefetch" in purpose.lower() for purpose in purposes) or any(name in headers for name in NEXT_ROUTER):
        raise Forbidden
    _refuse_cross_site(headers)


def require_same_origin(headers: Headers, origin: str) -> None:
    """Raises Forbidden when the browser says that a page of another origin makes the request."""
    if any(_normal(sent) != origin for sent in headers.getlist("origin")):
        raise Forbidden
    _refuse_cross_site(headers)


async def _json_bytes(request: Request, message: str | None) -> bytes:
    body = await request.body()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/json":
        raise InvalidRequest(message)
    return body


def _normal(origin: str) -> str | None:
    """The origin as browsers write it; None for ``null`` and for anything that is not an origin."""
    try:
        return normal_origin(origin) if origin.count("/") == ORIGIN_SLASHES and not set(origin) & set("@?# ") else None
    except ValueError:
        return None


def _refuse_cross_site(headers: Headers) -> None:
    if any(site.strip().lower() == "cross-site" for site in headers.getlist("sec-fetch-site")):
        raise Forbidden
