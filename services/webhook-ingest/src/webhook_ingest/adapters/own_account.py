"""Which Stripe account is ours: STRIPE_ACCOUNT_ID, else what Stripe answers when that is first needed.

Most events name no account. One that does is another connected account's, or came to an organisation's destination,
whose events name the account they are of.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from atlas_kit.process.logs import get_logger
from webhook_ingest.adapters.stripe_events import StripeUnavailable

log = get_logger()

ASK_SECONDS = 3.0
"""A webhook waits for this answer, once; Stripe gives it some ten seconds."""
AGAIN_SECONDS = 60.0
"""Seconds until Stripe is asked again, after no answer or one that the key may not have."""


class OwnAccount:
    """Gives the account's id, or None while it isn't known: then an event that names any account is not ours."""

    def __init__(self, configured: str | None, ask: Callable[[], Awaitable[str | None]]) -> None:
        self._known, self._ask = configured, ask
        self._asking = asyncio.Lock()
        self._not_before = 0.0

    async def __call__(self) -> str | None:
        if self._known is None:
            async with self._asking:
                if self._known is None and time.monotonic() >= self._not_before:
                    await self._learn()
        return self._known

    async def _learn(self) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                self._known = await self._ask()
        except (StripeUnavailable, TimeoutError) as error:
            reason = getattr(error, "reason", "stripe_unavailable")
            log.warning("stripe.account_unknown", reason=reason, remedy="set STRIPE_ACCOUNT_ID")
        if self._known is None:
            self._not_before = time.monotonic() + AGAIN_SECONDS
