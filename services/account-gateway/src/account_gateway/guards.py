"""Who may cause an effect, and by what: no prefetch, no other site, no form posted from elsewhere, only JSON."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.requests import Request

from atlas_kit.errors import AtlasError, Forbidden, InvalidRequest

ModelT = TypeVar("ModelT", bound=BaseModel)


def refuse_prefetch_and_cross_site(headers: Headers) -> None:
    """For GET routes that make something at Stripe. Raises Forbidden for a prefetch or another site's request."""
    purposes = (headers.get(name, "") for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))
    if any("prefetch" in purpose.lower() for purpose in purposes) or "next-router-prefetch" in headers:
        raise Forbidden
    _refuse_cross_site(headers)


def require_same_origin(headers: Headers, origin: str) -> None:
    """For every POST. Raises Forbidden when the browser says that another origin asks."""
    origins = headers.getlist("origin")
    if any(sent != origin for sent in origins):
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


def _refuse_cross_site(headers: Headers) -> None:
    if any(site.strip().lower() == "cross-site" for site in headers.getlist("sec-fetch-site")):
        raise Forbidden
