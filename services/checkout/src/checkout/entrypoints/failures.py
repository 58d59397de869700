"""The one place where whatever fails below becomes the route's own answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atlas_kit.http.errors import Unavailable
from atlas_stripe.failure import StripeFailure, as_unavailable
from atlas_stripe.objects import Unmappable


@asynccontextmanager
async def told_as(message: str, *, seconds: float) -> AsyncIterator[None]:
    """Bound a block in time; Stripe, the broker, the database or another service failing becomes 503 ``message``."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except StripeFailure as failure:
        raise as_unavailable(failure, message) from None
    except Unavailable as error:
        raise Unavailable(message, headers=error.headers) from error
    except (TimeoutError, Unmappable) as error:
        raise Unavailable(message) from error
