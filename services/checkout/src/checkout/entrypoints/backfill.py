"""``POST /operator/backfill``: the one operator's route that may go on for an hour, so it tells how it goes."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from atlas_contracts.internal_api import BackfillRequest
from atlas_kit.http.doors import GuardedRoute
from checkout.entrypoints.long_answers import NDJSON, lines
from checkout.use_cases.backfill import Backfill, backfill


def backfill_routes(tools: Backfill) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)

    @router.post("/backfill", response_class=StreamingResponse)
    async def start_backfill(asked: BackfillRequest) -> Response:
        """NDJSON: ``started``, ``refused`` and ``page`` lines, ``alive`` in between, at last ``done`` or ``failed``."""
        progress = backfill(tools, asked)
        first = await anext(progress)  # what is refused is refused with a status of its own
        return StreamingResponse(lines(first, progress, "backfill"), media_type=NDJSON)

    return router
