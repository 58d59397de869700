"""Stripe for long work: so many requests per second at most, and asked again while it can't answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from atlas_stripe.objects import Read
from atlas_stripe.patience import Persistence
from checkout.ports import AccountReads, ClaimReads, SessionPage

AnswerT = TypeVar("AnswerT")


class PacedStripe:
    """Reads of one piece of work. ``per_second``: requests; a list longer than a page counts as one."""

    def __init__(self, stripe: AccountReads, per_second: float) -> None:
        self._stripe, self._between = stripe, 1 / per_second
        self._next_at = 0.0
        self._persistence = Persistence()

    async def session_page(self, after: str | None, **filters: Any) -> SessionPage:
        return await self._asked(lambda: self._stripe.session_page(after, **filters))

    async def read_whole_session(self, session_id: str) -> Read:
        return await self._asked(lambda: self._stripe.read_whole_session(session_id))

    async def refunds(self, charge_id: str) -> AsyncIterator[Read]:
        for read in await self._asked(lambda: _all(self._stripe.refunds(charge_id))):
            yield read

    async def disputes(self, charge_id: str) -> AsyncIterator[Read]:
        for read in await self._asked(lambda: _all(self._stripe.disputes(charge_id))):
            yield read

    async def _asked(self, call: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        async def in_turn() -> AnswerT:
            await self._turn()
            return await call()

        return await self._persistence.ask(in_turn)

    async def _turn(self) -> None:
        clock = asyncio.get_running_loop().time()
        at = max(clock, self._next_at)
        self._next_at = at + self._between
        await asyncio.sleep(at - clock)


class PacedClaims(PacedStripe):
    """The same, with all that finding another app's purchases needs."""

    def __init__(self, stripe: ClaimReads, per_second: float) -> None:
        super().__init__(stripe, per_second)
        self._claims = stripe

    async def read_whole_session(self, session_id: str) -> Read:
        return await self._asked(lambda: self._claims.read_whole_session(session_id))

    async def read_customer(self, customer_id: str) -> Read:
        return await self._asked(lambda: self._claims.read_customer(customer_id))

    async def sessions(self, **filters: Any) -> AsyncIterator[Read]:
        for read in await self._asked(lambda: _all(self._claims.sessions(**filters))):
            yield read


async def _all(reads: AsyncIterator[Read]) -> list[Read]:
    return [read async for read in reads]
