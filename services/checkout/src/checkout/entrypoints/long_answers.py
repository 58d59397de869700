"""The answer to a question that may take an hour: NDJSON, a line for each step, and lines that only say "alive"."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

from atlas_contracts import unavailable
from atlas_kit.http.errors import AtlasError
from atlas_kit.process.logs import get_logger
from atlas_stripe.failure import StripeFailure, as_unavailable

log = get_logger()

NDJSON = "application/x-ndjson"
ALIVE_SECONDS = 2.0
"""A line at least so often: whoever asked sees that it goes on, and we see that they are still there."""
Progress = dict[str, Any]


async def lines(first: Progress, progress: AsyncIterator[Progress], work: str) -> AsyncGenerator[bytes, None]:
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
        yield _failed(as_unavailable(failure, unavailable.STRIPE), work)
    except AtlasError as error:
        yield _failed(error, work)
    except Exception:
        broken = f"billing.{work}.broken"
        log.exception(broken)
        yield _failed(AtlasError(), work)
    finally:
        if coming and not coming.done():
            coming.cancel()  # which ends the work where it is, and gives its lease back
            with suppress(asyncio.CancelledError):
                await coming
        elif isinstance(progress, AsyncGenerator):
            await progress.aclose()


async def _next(progress: AsyncIterator[Progress]) -> Progress | None:
    return await anext(progress, None)


def _failed(error: AtlasError, work: str) -> bytes:
    event = f"billing.{work}.failed"
    log.warning(event, error=type(error).__name__)
    return _line({"stage": "failed", "error": error.envelope().error.model_dump(mode="json")})


def _line(step: Progress) -> bytes:
    return json.dumps(step).encode() + b"\n"
