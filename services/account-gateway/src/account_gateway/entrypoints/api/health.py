"""``GET /api/health``: for the web client and uptime monitors; readiness is ``/readyz``."""

import time
from datetime import UTC, datetime

from fastapi import APIRouter

from account_gateway.entrypoints.api.documentation import json_answers
from atlas_contracts.public_api import Health

_EXAMPLE = {"status": "ok", "timestamp": "2026-11-23T10:00:00Z", "uptimeSeconds": 12.5}


def public_health_routes() -> APIRouter:
    router = APIRouter()
    started = time.monotonic()

    @router.get("/api/health", summary="Health", responses=json_answers(_EXAMPLE))
    async def health() -> Health:
        """The process answers. Bare, without the envelope."""
        return Health(timestamp=datetime.now(UTC), uptime_seconds=round(time.monotonic() - started, 3))

    return router
