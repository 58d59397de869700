"""So many requests a second and no more, for work that nobody waits for: Stripe's limit is shared with buyers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from atlas_stripe.patience import Patience

AnswerT = TypeVar("AnswerT")


class Asking(Protocol):
    """Makes a call to Stripe within its limits. Raises StripeFailure."""

    async def __call__(self, call: Callable[[], Awaitable[AnswerT]], /) -> AnswerT: ...


class Pace:
    """One per process, shared by everything that keeps it."""

    def __init__(self, per_second: float) -> None:
        self._apart = 1 / per_second
        self._next = 0.0

    async def wait(self) -> None:
        """Until the next request may be made."""
        now = asyncio.get_running_loop().time()
        mine = max(self._next, now)
        self._next = mine + self._apart
        await asyncio.sleep(mine - now)

    def within(self, patience: Patience) -> Asking:
        """A way to ask Stripe that keeps this pace, and waits where Stripe says 429."""

        async def ask(call: Callable[[], Awaitable[AnswerT]], /) -> AnswerT:
            async def paced() -> AnswerT:
                await self.wait()
                return await call()

            return await patience.ask(paced)

        return ask
