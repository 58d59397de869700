"""The operator's route by which another app's purchases are imported; answers NDJSON as claims are settled."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from atlas_contracts import unavailable
from atlas_contracts.moving_in import ImportEnd, ImportPurchasesRequest
from atlas_kit.http.doors import GuardedRoute
from atlas_kit.http.errors import Unavailable
from atlas_kit.process.logs import get_logger
from atlas_stripe.failure import StripeFailure, as_unavailable
from atlas_stripe.pace import Pace
from atlas_stripe.patience import Patience
from checkout.ports import ClaimReads
from checkout.use_cases.import_purchases import Importer, Line, import_purchases
from checkout.use_cases.tell_payments import Telling

log = get_logger()

NDJSON = "application/x-ndjson"
IMPORT_PURCHASES = "/operator/import-purchases"
MAX_IMPORT_BYTES = 4 * 1024 * 1024
"""Of that route's body: 2,500 users with some ids each, and room for long ones."""
PATIENCE_SECONDS = 600
"""For all pauses that Stripe's 429 asks for together: no buyer waits for this."""
REQUESTS_PER_SECOND = 10
"""Stripe allows 25 of a test key and 100 of a live one; buyers need the others."""


def import_routes(telling: Telling, stripe: ClaimReads) -> APIRouter:
    """``/operator/import-purchases``."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)
    pace = Pace(REQUESTS_PER_SECOND)

    @router.post(IMPORT_PURCHASES.removeprefix(router.prefix), response_class=StreamingResponse)
    async def import_other_apps_purchases(asked: ImportPurchasesRequest) -> StreamingResponse:
        """One ClaimOutcome per line as it is settled, ImportProgress in between, and an ImportEnd, without which the
        answer was cut off.
        """
        importer = Importer(telling, stripe, pace.within(Patience(PATIENCE_SECONDS)), asked.dry_run)
        return StreamingResponse(_lines(import_purchases(importer, asked)), media_type=NDJSON)

    return router


async def _lines(lines: AsyncIterator[Line]) -> AsyncIterator[str]:
    """The answer has begun when something fails, so a failure is a line too; what Stripe said is logged, never told."""
    try:
        async for line in lines:
            yield line.model_dump_json(by_alias=True) + "\n"
    except StripeFailure as failure:
        yield _failed(as_unavailable(failure, unavailable.STRIPE).message)
    except (Unavailable, TimeoutError) as error:
        log.warning("billing.import.failed", error=type(error).__name__)
        yield _failed(unavailable.SERVICE)
    else:
        yield ImportEnd().model_dump_json(by_alias=True) + "\n"


def _failed(message: str) -> str:
    return f'{{"error": {{"message": "{message}"}}}}\n'
