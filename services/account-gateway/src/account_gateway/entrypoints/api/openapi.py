"""``GET /openapi.json``: OpenAPI 3.1, made from the routes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from account_gateway.session.cookies import cookie_names

DESCRIPTION = """The public edge of Atlas billing.

Success: `{"ok": true, "data": …}`. Error: `{"ok": false, "error": {"code", "message", "recovery"}}`; only `/api/health`
and this document are bare. Every answer carries `x-request-id`. POST routes are same-origin only. The caller is whoever
the session says; no route takes a user id."""


def describe(app: FastAPI, *, version: str, server: str, secure: bool) -> None:
    """Let ``app`` serve the document with servers and security schemes in it."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title="Atlas billing: account-gateway",
                version=version,
                description=DESCRIPTION,
                routes=app.routes,
                servers=[{"url": server}],
            )
            schema["components"]["securitySchemes"] = _security_schemes(secure=secure)
            app.openapi_schema = schema
        return app.openapi_schema

    # FastAPI's documented way to extend the document.
    app.openapi = document  # type: ignore[method-assign]  # as FastAPI documents it


def _security_schemes(*, secure: bool) -> dict[str, Any]:
    return {
        "sessionCookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie_names(secure=secure)[0],
            "description": "The session cookie of next-auth v4; Auth.js v5's is read as well, whole or in chunks.",
        },
        "bearerSession": {
            "type": "http",
            "scheme": "bearer",
            "description": "The same encrypted token as in the cookie (NEXTAUTH_SESSION_STRATEGY=jwt only).",
        },
    }
