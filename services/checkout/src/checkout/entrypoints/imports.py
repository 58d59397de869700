"""``POST /operator/import-purchases``: what another app knows of Stripe's objects is looked up and told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from atlas_contracts.moving_in import ImportEnd, ImportPurchasesRequest
from atlas_kit.http.doors import GuardedRoute
from checkout.adapters.paced_stripe import PacedClaims
from checkout.entrypoints.long_answers import NDJSON, lines
from checkout.ports import ClaimReads
from checkout.use_cases.import_purchases import Importer, import_purchases
from checkout.use_cases.tell_payments import Telling

IMPORT_PURCHASES = "/operator/import-purchases"
MAX_IMPORT_BYTES = 4 * 1024 * 1024
"""Of that route's body: 2,500 users with some ids each, and room for long ones."""
STARTED = {"stage": "started"}


def import_routes(telling: Telling, stripe: ClaimReads, per_second: float) -> APIRouter:
    """The route. ``per_second``: requests at Stripe, which buyers need as well."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)

    @router.post(IMPORT_PURCHASES.removeprefix(router.prefix), response_class=StreamingResponse)
    async def import_other_apps_purchases(asked: ImportPurchasesRequest) -> Response:
        """NDJSON: a ClaimOutcome for each id as it is settled, ImportProgress in between, and an ImportEnd, without
        which the answer was cut off.
        """
        paced = PacedClaims(stripe, per_second)
        importer = Importer(replace(telling, stripe=paced), paced, asked.dry_run)
        return StreamingResponse(lines(STARTED, _steps(importer, asked), "import"), media_type=NDJSON)

    return router


async def _steps(importer: Importer, asked: ImportPurchasesRequest) -> AsyncIterator[dict[str, Any]]:
    async for line in import_purchases(importer, asked):
        yield line.model_dump(mode="json", by_alias=True)
    yield ImportEnd().model_dump(mode="json", by_alias=True)
