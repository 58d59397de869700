"""The OpenAPI document of the read API (:mod:`atlas_contracts.read_api`), for those who generate their clients.

The public API's own is served by the gateway at ``/openapi.json``.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from atlas_contracts.public_api import ErrorEnvelope
from atlas_contracts.read_api import READ_MANY, READ_ONE, EntitlementQuery, EntitlementRecord, EntitlementRecords
from atlas_contracts.user_id import DESCRIPTION, MAX_USER_ID

Document = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_ERRORS = {
    "400": "Malformed: an id that is none, more than 500 of them, no JSON. Nothing was read.",
    "401": "No token, or none that holds here.",
    "403": "The token's issuer isn't admitted as a reader, or asks in another name than its own.",
    "500": "Unforeseen.",
    "503": "The database doesn't answer; trying again later is right.",
}
_EXAMPLE = {
    "userId": "user_1",
    "productKey": "pro_lifetime_v1",
    "isPro": True,
    "status": "active",
    "source": "stripe",
    "activeFrom": "2026-11-23T10:00:00Z",
    "activeUntil": None,
    "version": 1,
    "reason": "purchase",
    "updatedAt": "2026-11-23T10:00:01.250Z",
}
_NOBODY = {
    **dict.fromkeys(_EXAMPLE),
    "userId": "user_2",
    "productKey": "pro_lifetime_v1",
    "isPro": False,
    "status": "none",
    "version": 0,
}


def read_api_document() -> Document:
    """OpenAPI 3.1 of both questions."""
    _, schemas = models_json_schema(
        [
            (EntitlementQuery, "validation"),
            (EntitlementRecord, "serialization"),
            (EntitlementRecords, "serialization"),
            (ErrorEnvelope, "serialization"),
        ],
        by_alias=True,
        ref_template=_SCHEMAS + "{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Atlas entitlements: who is Pro",
            "version": "1.0.0",
            "description": "For services that were admitted (docs/consuming-entitlements.md). Answers are bare, errors "
            "are in an envelope.",
        },
        "servers": [{"url": "http://entitlements:8003"}],
        "security": [{"service": []}],
        "paths": {READ_ONE.replace(":path", ""): {"get": _one()}, READ_MANY: {"post": _many()}},
        "components": {
            "securitySchemes": {
                "service": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "EdDSA (Ed25519), header kid and claims iss and sub the service's own name, aud "
                    "entitlements, exp at most 60 s after iat.",
                }
            },
            "schemas": schemas["$defs"],
        },
    }


def _one() -> Document:
    return {
        "operationId": "readEntitlement",
        "summary": "What one user is entitled to; of somebody unknown, status none and version 0.",
        "parameters": [
            {
                "name": "userId",
                "in": "path",
                "required": True,
                "description": DESCRIPTION,
                "schema": {"type": "string", "minLength": 1, "maxLength": MAX_USER_ID},
            }
        ],
        "responses": {"200": _answer("The entitlement.", "EntitlementRecord", _EXAMPLE), **_errors()},
    }


def _many() -> Document:
    return {
        "operationId": "queryEntitlements",
        "summary": "What each of up to 500 users is entitled to, in the order asked.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": f"{_SCHEMAS}EntitlementQuery"},
                    "example": {"userIds": ["user_1", "user_2"]},
                }
            },
        },
        "responses": {
            "200": _answer("One record per id.", "EntitlementRecords", {"entitlements": [_EXAMPLE, _NOBODY]}),
            **_errors(),
        },
    }


def _answer(description: str, model: str, example: Document | None = None) -> Document:
    content: Document = {"schema": {"$ref": _SCHEMAS + model}}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


def _errors() -> Document:
    return {status: _answer(meaning, "ErrorEnvelope") for status, meaning in _ERRORS.items()}
