"""What Pro costs, kept for a minute: the page that sells it asks the checkout service rarely and never hangs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from atlas_contracts.billing import Offer
from atlas_contracts.price_api import OfferedPrice
from atlas_kit.http.errors import AtlasError
from atlas_kit.process.logs import get_logger

log = get_logger()

KEPT_SECONDS = 60.0
AGAIN_SECONDS = 10.0
"""After a failure nothing is asked for so long: no page waits again for a Stripe that is away."""
STALE_SECONDS = 600.0
"""For so long after that minute the last answer is still shown, while a new one is on its way."""
WAIT_SECONDS = 0.5
"""The longest that pages wait for one answer. It counts from the question, so that whoever comes later doesn't wait at
all. An answer that comes later is kept for the next page.
"""
Offers = tuple[Offer, ...]


class OfferedPrices:
    """The offers of the price. ``ask`` reads them; it raises an AtlasError where it can't."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[OfferedPrice]],
        *,
        wait: float = WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._wait, self._clock = ask, wait, clock
        self._offers: Offers = ()
        self._good_until = self._shown_until = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = 0.0

    async def now(self) -> Offers:
        """The offers, at once or after a short wait; none while they aren't known."""
        if self._clock() < self._good_until:
            return self._offers
        loop = asyncio.get_running_loop()
        if self._asking is None:
            self._asking, self._asked_at = asyncio.create_task(self._read()), loop.time()
        left = self._asked_at + self._wait - loop.time()
        if self._clock() >= self._shown_until and left > 0:
            await asyncio.wait({self._asking}, timeout=left)
        return self._offers if self._clock() < self._shown_until else ()

    async def close(self) -> None:
        """Stop waiting for an answer that nobody will see."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _read(self) -> None:
        try:
            self._offers = tuple((await self._ask()).offers)
            self._good_until = self._clock() + KEPT_SECONDS
            self._shown_until = self._good_until + STALE_SECONDS
        except AtlasError as error:
            log.warning("page.price_unavailable", error=type(error).__name__)
            self._offers = ()
            self._good_until = self._shown_until = self._clock() + AGAIN_SECONDS
        finally:
            self._asking = None
