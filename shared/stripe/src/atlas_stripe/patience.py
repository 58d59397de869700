"""When Stripe answers 429 (too many requests): wait for the time in its Retry-After header, then ask again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from atlas_stripe.failure import TOO_MANY_REQUESTS, StripeFailure

AnswerT = TypeVar("AnswerT")

MAX_TRIES = 4
"""Tries of one call, including the first."""


class Patience:
    """Lets one piece of work (a restore, say) wait after 429 answers, for ``seconds`` in all of its calls together.

    A 429 without a time, or with a longer time than is left, is raised at once.
    """

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._go_on_at = 0.0

    async def ask(self, call: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """The answer to ``call``, which is repeated after a 429, up to MAX_TRIES times. Raises StripeFailure."""
        for _ in range(MAX_TRIES - 1):
            await self._wait()
            try:
                return await call()
            except StripeFailure as failure:
                if not self._is_told_to_wait(failure):
                    raise
        await self._wait()
        return await call()

    async def _wait(self) -> None:
        clock = asyncio.get_running_loop().time
        while (pause := self._go_on_at - clock()) > 0:  # noqa: ASYNC110 - there is no event to wait for, only time
            await asyncio.sleep(pause)

    def _is_told_to_wait(self, failure: StripeFailure) -> bool:
        told = failure.retry_after or ""
        if failure.status != TOO_MANY_REQUESTS or not (told.isascii() and told.isdigit()):
            return False
        until = asyncio.get_running_loop().time() + int(told)
        longer = until - max(self._go_on_at, asyncio.get_running_loop().time())
        if longer <= 0:
            return True
        if longer > self._left:
            return False
        self._left -= longer
        self._go_on_at = until
        return True
