"""The id of our Stripe account: STRIPE_ACCOUNT_ID, or else Stripe's answer to our first question for it.

Most events name no account. An event that names one belongs to a connected account, or was sent by a webhook
destination of an organisation, whose events all name their account.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from atlas_kit.process.logs import get_logger
from webhook_ingest.adapters.stripe_events import StripeUnavailable

log = get_logger()

ASK_SECONDS = 3.0
"""Time limit of the question. A webhook waits for it, and Stripe waits some ten seconds for the webhook's answer."""
AGAIN_SECONDS = 60.0
"""Seconds until Stripe is asked again after a failed question (no answer, or the key may not read the account)."""


class OwnAccount:
    """Returns the account's id when called; None while it isn't known. Then events that name an account are ignored."""

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
