"""The one place where a failure of Stripe, broker, database or another service becomes the route's 503."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atlas_kit.http.errors import Unavailable
from atlas_stripe.failure import StripeFailure, as_unavailable
from atlas_stripe.objects import Unmappable


@asynccontextmanager
async def told_as(message: str, *, seconds: float) -> AsyncIterator[None]:
    """Limit a block to ``seconds``, and turn every failure that isn't the user's into Unavailable with ``message``.

    What Stripe said is logged, never answered.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except StripeFailure as failure:
        raise as_unavailable(failure, message) from None
    except Unavailable as error:
        raise Unavailable(message, headers=error.headers) from error
    except (TimeoutError, Unmappable) as error:
        raise Unavailable(message) from error
