"""The routes for operators (the ``atlas`` command line), who come with an operator's token."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from atlas_contracts.internal_api import AdjustmentRequest, PullRequest
from atlas_contracts.moving_in import ImportGrantsRequest, ImportGrantsResult
from atlas_contracts.parked import DismissedData, DismissRequest
from atlas_contracts.public_api import Success
from atlas_contracts.text import visible
from atlas_kit.http.doors import GuardedRoute
from atlas_kit.http.errors import AtlasError
from atlas_kit.process.logs import get_logger
from webhook_ingest.adapters.bucket import Bucket
from webhook_ingest.adapters.parked_reader import Parked, ParkedReader
from webhook_ingest.adapters.webhook_shares import WebhookShares
from webhook_ingest.domain.parked_user import user_of
from webhook_ingest.ports import Ledger
from webhook_ingest.use_cases.adjust import adjust
from webhook_ingest.use_cases.admit import Door
from webhook_ingest.use_cases.dismiss import dismiss
from webhook_ingest.use_cases.import_grants import import_grants
from webhook_ingest.use_cases.read_missed_events import Pull, PullProgress
from webhook_ingest.use_cases.redrive import hopeless, redrive

log = get_logger()

NDJSON = "application/x-ndjson"
IMPORT_GRANTS = "/operator/import-grants"
MAX_GRANTS_BYTES = 512 * 1024
"""Of that route's body: 500 grants of some 0.5 kB, with room for long ids."""
SHOWN = {"id", "kind", "reason", "detail", "subject", "event_id", "at"}


def operator_routes(
    door: Door, parked: ParkedReader, pull: Pull, bucket: Bucket, shares: WebhookShares, ledger: Ledger
) -> APIRouter:
    """Every route under ``/operator``: pull, adjustments, grants to import, parked events, shares of webhooks."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)
    _parked_routes(router, parked, door)
    _figures(router, door, pull, shares)

    @router.post("/pull")
    async def start_pull(asked: PullRequest) -> StreamingResponse:
        progress = pull.run(since_seconds=asked.since_seconds, dry_run=asked.dry_run)
        return StreamingResponse(_lines(progress), media_type=NDJSON)

    @router.post("/adjustments")
    async def make_adjustment(asked: AdjustmentRequest) -> Success[dict[str, Any]]:
        adjusted = await adjust(asked, door.billing, bucket)
        return Success(data={"eventId": adjusted.event_id, "appended": adjusted.appended})

    @router.post(IMPORT_GRANTS.removeprefix(router.prefix))
    async def import_other_apps_grants(asked: ImportGrantsRequest) -> Success[ImportGrantsResult]:
        """Grants of the app that we replace, told as facts where they say something new."""
        return Success(data=await import_grants(asked, door.billing, ledger, datetime.now(UTC)))

    return router


def _figures(router: APIRouter, door: Door, pull: Pull, shares: WebhookShares) -> None:
    @router.get("/pull")
    async def pull_state() -> Success[dict[str, Any]]:
        """The cursor's age in seconds (null before the first pull), and how the last pull failed, if it did."""
        cursor, ended = await pull.state.cursor(), await pull.state.ended()
        failed = {"reason": ended.reason, "message": ended.message} if ended and ended.reason else None
        age = None if cursor is None else max(0, round(time.time() - cursor))
        return Success(data={"ageSeconds": age, "failed": failed})

    @router.get("/webhook-shares")
    async def webhook_shares() -> Success[dict[str, Any]]:
        account = await door.account()
        return Success(data={**await shares.last_hour(), "accountKnown": account is not None})


def _shown(parked: Parked) -> dict[str, Any]:
    """A row of the list. Its texts come from outside, so characters that a terminal would obey are written out."""
    row = parked.data.model_dump(mode="json", by_alias=True, include=SHOWN)
    return {
        **{name: visible(value) for name, value in row.items()},
        "userId": user_of(parked.data),
        **_prospects(parked),
    }


def _prospects(parked: Parked) -> dict[str, Any]:
    """Why a redrive would fail (null where it may succeed), and where it was dismissed by whom and why."""
    note = parked.dismissed.model_dump(mode="json", include={"reason", "operator", "at"}) if parked.dismissed else None
    return {"hopeless": hopeless(parked.data), "dismissed": note}


def _parked_routes(router: APIRouter, parked: ParkedReader, door: Door) -> None:
    @router.get("/parked")
    async def list_parked(*, dismissed: bool = False) -> Success[list[dict[str, Any]]]:
        return Success(data=[_shown(each) for each in await parked.waiting(dismissed=dismissed)])

    @router.get("/parked/{parked_id}")
    async def show_parked(parked_id: str) -> Success[dict[str, Any]]:
        found = await parked.get(parked_id)
        history = [marker.model_dump(mode="json", by_alias=True) for marker in found.redriven]
        whole = found.data.model_dump(mode="json", by_alias=True)
        return Success(data={**whole, "userId": user_of(found.data), "redriven": history, **_prospects(found)})

    @router.post("/parked/{parked_id}/redrive")
    async def redrive_parked(parked_id: str) -> Success[dict[str, Any]]:
        redriven = await redrive(await parked.get(parked_id), door)
        return Success(data={"id": redriven.parked_id, "eventId": redriven.event_id, "messageId": redriven.message_id})

    @router.post("/parked/{parked_id}/dismiss")
    async def dismiss_parked(parked_id: str, asked: DismissRequest) -> Success[DismissedData]:
        """Take what can never succeed off the list; who and why stay with it."""
        return Success(data=await dismiss(await parked.get(parked_id), asked, door.parked))


async def _lines(progress: AsyncIterator[PullProgress]) -> AsyncIterator[bytes]:
    """The progress as NDJSON. An error becomes the last line, because the status 200 has been sent already."""
    try:
        async for item in progress:
            yield json.dumps(item).encode() + b"\n"
    except AtlasError as error:
        yield json.dumps({"stage": "failed", "error": error.envelope().error.model_dump()}).encode() + b"\n"
    except Exception:
        log.exception("billing.pull.broken")
        yield json.dumps({"stage": "failed", "error": AtlasError().envelope().error.model_dump()}).encode() + b"\n"
