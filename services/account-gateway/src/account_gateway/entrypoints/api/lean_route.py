"""Routes that FastAPI describes and Starlette serves.

Every handler here takes the request and gives the response. FastAPI's own handler would add dependency solving and a
second validation of every answer (about a third of the time of the hot read), and its validation errors could not say
each route's own message.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import request_response

from account_gateway.entrypoints.api.errors import ErrorExample, error_responses

Handler = Callable[[Request], Awaitable[Response]]
SEE_OTHER = 303


class LeanRoute(APIRoute):
    """An APIRoute whose endpoint answers by itself."""

    def __init__(self, path: str, endpoint: Handler, **description: Any) -> None:
        super().__init__(path, endpoint, **description)
        self.app = request_response(endpoint)


def api_route(
    method: str,
    path: str,
    handler: Handler,
    *,
    summary: str,
    errors: tuple[ErrorExample, ...] = (),
    answer: type[BaseModel] | None = None,
    example: dict[str, Any] | None = None,
    body: type[BaseModel] | None = None,
    body_example: dict[str, Any] | None = None,
    parameters: tuple[dict[str, Any], ...] = (),
    responses: dict[int | str, dict[str, Any]] | None = None,
    status: int = 200,
    security: bool = True,
    response_class: type[Response] = JSONResponse,
) -> LeanRoute:
    """A public route with what /openapi.json says about it: every answer, every error, examples."""
    described: dict[int | str, dict[str, Any]] = dict(error_responses(errors))
    if status == SEE_OTHER:
        described[status] = {"description": "See other.", "headers": {"Location": {"schema": {"type": "string"}}}}
    if example is not None:
        described[status] = {"content": {"application/json": {"example": example}}}
    extra: dict[str, Any] = {"parameters": list(parameters)} if parameters else {}
    if security:
        extra["security"] = [{"sessionCookie": []}, {"bearerSession": []}]
    if body is not None:
        extra["requestBody"] = _request_body(body, body_example)
    return LeanRoute(
        path,
        handler,
        methods=[method],
        summary=summary,
        description=inspect.cleandoc(handler.__doc__ or ""),
        response_model=answer,
        status_code=status,
        responses=described | (responses or {}),
        response_class=RedirectResponse if status == SEE_OTHER else response_class,
        openapi_extra=extra,
        operation_id=f"{method.lower()}{_camel(path)}",
        name=f"{method} {path}",
    )


def unlisted_route(method: str, path: str, handler: Handler) -> LeanRoute:
    """A route for people (pages, forms): measured like the others, absent from /openapi.json."""
    return LeanRoute(path, handler, methods=[method], response_class=Response, include_in_schema=False)


def _request_body(body: type[BaseModel], example: dict[str, Any] | None) -> dict[str, Any]:
    schema = body.model_json_schema(by_alias=True)
    required = bool(schema.get("required"))
    return {"required": required, "content": {"application/json": {"schema": schema, "example": example}}}


def _camel(path: str) -> str:
    words = path.replace("/", " ").replace("-", " ").replace(".", " ").split()
    return "".join(word.capitalize() for word in words)
