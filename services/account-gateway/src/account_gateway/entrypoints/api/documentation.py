"""What /openapi.json says about a route beyond what FastAPI reads off it: every answer, every error, examples."""

from __future__ import annotations

from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel

from account_gateway.entrypoints.api.errors import ErrorExample, error_responses

Responses = dict[int | str, dict[str, Any]]
SEE_OTHER = 303
SIGNED_IN: dict[str, Any] = {"security": [{"sessionCookie": []}, {"bearerSession": []}]}
"""``openapi_extra`` of routes for signed-in users. By hand, because FastAPI's own security classes would read the
session's headers a second time.
"""


def operation_id(route: APIRoute) -> str:
    """``getApiProEntitlement`` for ``GET /api/pro/entitlement``; generated clients have methods of these names."""
    method = "_".join(sorted(route.methods or ()))  # each of our routes has exactly one method
    words = route.path_format.replace("/", " ").replace("-", " ").replace(".", " ").split()
    return method.lower() + "".join(word.capitalize() for word in words)


def json_answers(example: dict[str, Any], *errors: ErrorExample) -> Responses:
    """A 200 with this example, and the errors."""
    return error_responses(errors) | {200: {"content": {"application/json": {"example": example}}}}


def see_other_answers(*errors: ErrorExample) -> Responses:
    """A 303 to somewhere else, and the errors."""
    location = {"Location": {"schema": {"type": "string"}}}
    return error_responses(errors) | {SEE_OTHER: {"description": "See other.", "headers": location}}


def json_body(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """``openapi_extra`` of a route that reads ``model`` by :func:`guards.body_as`, of which FastAPI knows nothing."""
    schema = model.model_json_schema(by_alias=True)
    required = bool(schema.get("required"))
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema, "example": example}}}
    }
