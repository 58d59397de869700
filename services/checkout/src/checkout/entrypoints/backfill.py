"""``POST /operator/backfill``: the one operator's route that may go on for an hour, so it tells how it goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from atlas_contracts import unavailable
from atlas_contracts.internal_api import BackfillRequest
from atlas_kit.http.doors import GuardedRoute
from atlas_kit.http.errors import AtlasError
from atlas_kit.process.logs import get_logger
from atlas_stripe.failure import StripeFailure, as_unavailable
from checkout.use_cases.backfill import Backfill, Progress, backfill

log = get_logger()

NDJSON = "application/x-ndjson"
ALIVE_SECONDS = 2.0
"""A line at least so often: whoever asked sees that it goes on, and we see that they are still there."""


def backfill_routes(tools: Backfill) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)

    @router.post("/backfill", response_class=StreamingResponse)
    async def start_backfill(asked: BackfillRequest) -> Response:
        """NDJSON: ``started``, ``refused`` and ``page`` lines, ``alive`` in between, at last ``done`` or ``failed``."""
        progress = backfill(tools, asked)
        first = await anext(progress)  # what is refused is refused with a status of its own
        return StreamingResponse(_lines(first, progress), media_type=NDJSON)

    return router


async def _lines(first: Progress, progress: AsyncIterator[Progress]) -> AsyncGenerator[bytes, None]:
    """Each step as a line. An error is the last one: the status 200 was sent before it happened."""
    coming: asyncio.Future[Progress | None] | None = None
    try:
        yield _line(first)
        while True:
            coming = coming or asyncio.ensure_future(_next(progress))
            await asyncio.wait([coming], timeout=ALIVE_SECONDS)
            if not coming.done():
                yield _line({"stage": "alive"})
                continue
            step, coming = coming.result(), None
            if step is None:
                return
            yield _line(step)
    except StripeFailure as failure:
        yield _failed(as_unavailable(failure, unavailable.STRIPE))
    except AtlasError as error:
        yield _failed(error)
    except Exception:
        log.exception("billing.backfill.broken")
        yield _failed(AtlasError())
    finally:
        if coming and not coming.done():
            coming.cancel()  # which ends the backfill where it is, and gives its lease back
            with suppress(asyncio.CancelledError):
                await coming
        elif isinstance(progress, AsyncGenerator):
            await progress.aclose()


async def _next(progress: AsyncIterator[Progress]) -> Progress | None:
    return await anext(progress, None)


def _failed(error: AtlasError) -> bytes:
    log.warning("billing.backfill.failed", error=type(error).__name__)
    return _line({"stage": "failed", "error": error.envelope().error.model_dump(mode="json")})


def _line(step: Progress) -> bytes:
    return json.dumps(step).encode() + b"\n"
