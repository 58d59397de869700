"""Who may cause an effect, and by what: no prefetch, no other site, no form posted from elsewhere, only JSON."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.requests import Request

from atlas_kit.errors import AtlasError, Forbidden, InvalidRequest
from atlas_kit.settings import normal_origin

ModelT = TypeVar("ModelT", bound=BaseModel)
ORIGIN_SLASHES = 2
NEXT_ROUTER = (
    "rsc",
    "next-router-state-tree",
    "next-router-prefetch",
    "next-router-segment-prefetch",
    "next-url",
)
"""Headers that its fetches bear, and that no navigation of a browser does."""


def refuse_prefetch_and_cross_site(headers: Headers) -> None:
    """For GET routes that make something at Stripe.

    Raises Forbidden for a prefetch, for what a Next.js router fetches by itself before it navigates (each click would
    count twice, and open two sessions), and for another site's request.
    """
    purposes = (headers.get(name, "") for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))
    if any("prefetch" in purpose.lower() for purpose in purposes) or any(name in headers for name in NEXT_ROUTER):
        raise Forbidden
    _refuse_cross_site(headers)


def require_same_origin(headers: Headers, origin: str) -> None:
    """For every POST. Raises Forbidden when the browser says that another origin asks."""
    if any(_normal(sent) != origin for sent in headers.getlist("origin")):
        raise Forbidden
    _refuse_cross_site(headers)


async def json_body(request: Request, refusal: AtlasError | None = None) -> bytes:
    """The body, empty when there is none. Raises ``refusal`` (InvalidRequest) when it isn't declared as JSON."""
    body = await request.body()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/json":
        raise refusal or InvalidRequest()
    return body


async def body_as(model: type[ModelT], request: Request, refusal: AtlasError) -> ModelT:
    """The JSON body; none at all counts as an empty object. Raises ``refusal`` when it isn't one of ``model``."""
    body = await json_body(request, refusal)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError:
        raise refusal from None


def _normal(origin: str) -> str | None:
    """None for ``null`` and for what is no origin."""
    try:
        return normal_origin(origin) if origin.count("/") == ORIGIN_SLASHES and not set(origin) & set("@?# ") else None
    except ValueError:
        return None


def _refuse_cross_site(headers: Headers) -> None:
    if any(site.strip().lower() == "cross-site" for site in headers.getlist("sec-fetch-site")):
        raise Forbidden
