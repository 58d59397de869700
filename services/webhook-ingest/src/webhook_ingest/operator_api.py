"""What the command line may ask of the door. Every route needs an internal token that the operator issued."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from atlas_contracts.internal_api import AdjustmentRequest, PullRequest
from atlas_contracts.parked import ParkedData
from atlas_contracts.text import visible
from atlas_kit.answers import ok_json
from atlas_kit.doors import GuardedRoute
from atlas_kit.errors import AtlasError
from atlas_kit.logs import get_logger
from webhook_ingest.adjustments import adjust
from webhook_ingest.bucket import Bucket
from webhook_ingest.door import Door
from webhook_ingest.parked import ParkedReader
from webhook_ingest.parked_user import user_of
from webhook_ingest.pull import Progress, Pull
from webhook_ingest.redrive import redrive
from webhook_ingest.webhook_shares import WebhookShares

log = get_logger()

NDJSON = "application/x-ndjson"
SHOWN = {"id", "kind", "reason", "detail", "subject", "event_id", "at"}


@dataclass(frozen=True, slots=True)
class OperatorTools:
    """What the routes work with."""

    door: Door
    parked: ParkedReader
    pull: Pull
    bucket: Bucket
    shares: WebhookShares


def operator_routes(tools: OperatorTools) -> APIRouter:
    """``/operator/pull``, ``/operator/adjustments``, ``/operator/parked…``, ``/operator/webhook-shares``."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)
    _parked_routes(router, tools.parked, tools.door)
    _figures(router, tools)

    @router.post("/pull")
    async def start_pull(request: PullRequest) -> Response:
        progress = tools.pull.run(since_seconds=request.since_seconds, dry_run=request.dry_run)
        return StreamingResponse(_lines(progress), media_type=NDJSON)

    @router.post("/adjustments")
    async def make_adjustment(request: AdjustmentRequest) -> Response:
        adjusted = await adjust(request, tools.door.billing, tools.bucket)
        return ok_json({"eventId": adjusted.event_id, "appended": adjusted.appended})

    return router


def _figures(router: APIRouter, tools: OperatorTools) -> None:
    @router.get("/pull")
    async def pull_state() -> Response:
        cursor, ended = await tools.pull.state.cursor(), await tools.pull.state.ended()
        failed = {"reason": ended.reason, "message": ended.message} if ended and ended.reason else None
        age = None if cursor is None else max(0, round(time.time() - cursor))
        return ok_json({"ageSeconds": age, "failed": failed})

    @router.get("/webhook-shares")
    async def webhook_shares() -> Response:
        account = await tools.door.account()
        return ok_json({**await tools.shares.last_hour(), "accountKnown": account is not None})


def _shown(data: ParkedData) -> dict[str, Any]:
    """A row of the list; whoever published it chose its texts."""
    row = data.model_dump(mode="json", by_alias=True, include=SHOWN)
    return {**{name: visible(value) for name, value in row.items()}, "userId": user_of(data)}


def _parked_routes(router: APIRouter, parked: ParkedReader, door: Door) -> None:
    @router.get("/parked")
    async def list_parked() -> Response:
        return ok_json([_shown(data) for data in await parked.waiting()])

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
