"""``GET /api/health``: for the web client and uptime monitors; readiness is ``/readyz``."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from account_gateway.entrypoints.api.lean_route import LeanRoute, api_route
from atlas_contracts.public_api import Health
from atlas_kit.http.answers import JSON


def health_api_routes() -> list[LeanRoute]:
    started = time.monotonic()

    async def health(_request: Request) -> Response:
        """The process answers. Bare, without the envelope."""
        answer = Health(timestamp=datetime.now(UTC), uptime_seconds=round(time.monotonic() - started, 3))
        return Response(answer.model_dump_json(by_alias=True), media_type=JSON)

    return [
        api_route(
            "GET",
            "/api/health",
            health,
            summary="Health",
            answer=Health,
            example={"status": "ok", "timestamp": "2026-11-23T10:00:00Z", "uptimeSeconds": 12.5},
            security=False,
        )
    ]
