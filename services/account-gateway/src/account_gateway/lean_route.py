"""Routes that FastAPI describes and Starlette serves.

Every handler here takes the request and gives the response. FastAPI's own handler would add dependency solving and a
second validation of every answer (about a third of the time of the hot read), and its validation errors could not say
each route's own message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import request_response

from account_gateway.api_errors import ErrorExample, error_responses

Handler = Callable[[Request], Awaitable[Response]]


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
) -> LeanRoute:
    """A public route with what /openapi.json says about it: every answer, every error, examples."""
    described: dict[int | str, dict[str, Any]] = dict(error_responses(errors))
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
        description=handler.__doc__,
        response_model=answer,
        status_code=status,
        responses=described | (responses or {}),
        openapi_extra=extra,
        operation_id=f"{method.lower()}{_camel(path)}",
        name=f"{method} {path}",
    )


def _request_body(body: type[BaseModel], example: dict[str, Any] | None) -> dict[str, Any]:
    schema = body.model_json_schema(by_alias=True)
    required = bool(schema.get("required"))
    return {"required": required, "content": {"application/json": {"schema": schema, "example": example}}}


def _camel(path: str) -> str:
    words = path.replace("/", " ").replace("-", " ").replace(".", " ").split()
    return "".join(word.capitalize() for word in words)
