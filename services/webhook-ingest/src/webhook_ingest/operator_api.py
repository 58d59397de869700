"""What the command line may ask of the door. Every route needs an internal token that the operator issued."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from atlas_contracts.internal_api import AdjustmentRequest, PullRequest
from atlas_kit.answers import ok_json
from atlas_kit.doors import GuardedRoute
from atlas_kit.errors import AtlasError, InvalidRequest
from atlas_kit.logs import get_logger
from webhook_ingest.adjustments import adjust
from webhook_ingest.door import Door
from webhook_ingest.parked import ParkedReader
from webhook_ingest.parked_user import user_of
from webhook_ingest.pull import Progress, Pull
from webhook_ingest.redrive import redrive

log = get_logger()

NDJSON = "application/x-ndjson"
MAX_KEY = 200
"""An idempotency key becomes part of an event id, which has 255 characters."""


def operator_routes(door: Door, parked: ParkedReader, pull: Pull) -> APIRouter:
    """``/operator/pull``, ``/operator/adjustments``, ``/operator/parked…``."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)
    _parked_routes(router, parked, door)

    @router.post("/pull")
    async def start_pull(request: PullRequest) -> Response:
        progress = pull.run(since_seconds=request.since_seconds, dry_run=request.dry_run)
        return StreamingResponse(_lines(progress), media_type=NDJSON)

    @router.post("/adjustments")
    async def make_adjustment(request: AdjustmentRequest) -> Response:
        if not request.idempotency_key.isprintable() or request.idempotency_key != request.idempotency_key.strip():
            raise InvalidRequest
        if len(request.idempotency_key) > MAX_KEY or not request.idempotency_key.isascii():
            raise InvalidRequest
        adjusted = await adjust(request, door.billing)
        return ok_json({"eventId": adjusted.event_id, "appended": adjusted.appended})

    return router


def _parked_routes(router: APIRouter, parked: ParkedReader, door: Door) -> None:
    @router.get("/parked")
    async def list_parked() -> Response:
        shown = {"id", "kind", "reason", "detail", "subject", "event_id", "at"}
        rows = await parked.waiting()
        told = [(data.model_dump(mode="json", by_alias=True, include=shown), user_of(data)) for data in rows]
        return ok_json([{**row, "userId": user} for row, user in told])

    @router.get("/parked/{parked_id}")
    async def show_parked(parked_id: str) -> Response:
        found = await parked.get(parked_id)
        history = [marker.model_dump(mode="json", by_alias=True) for marker in found.redriven]
        return ok_json({**found.data.model_dump(mode="json", by_alias=True), "redriven": history})

    @router.post("/parked/{parked_id}/redrive")
    async def redrive_parked(parked_id: str) -> Response:
        redriven = await redrive(await parked.get(parked_id), door)
        return ok_json({"id": redriven.parked_id, "eventId": redriven.event_id, "messageId": redriven.message_id})


async def _lines(progress: AsyncIterator[Progress]) -> AsyncIterator[bytes]:
    """NDJSON; what goes wrong on the way is the last line, as the status is out already."""
    try:
        async for item in progress:
            yield json.dumps(item).encode() + b"\n"
    except AtlasError as error:
        yield json.dumps({"stage": "failed", "error": error.envelope().error.model_dump()}).encode() + b"\n"
    except Exception:
        log.exception("billing.pull.broken")
        yield json.dumps({"stage": "failed", "error": AtlasError().envelope().error.model_dump()}).encode() + b"\n"
