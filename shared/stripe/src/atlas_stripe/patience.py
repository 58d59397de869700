"""When Stripe can't answer now: wait, then ask again. For what somebody waits for, and for long work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from atlas_stripe.failure import SERVER_ERROR, TOO_MANY_REQUESTS, StripeFailure

AnswerT = TypeVar("AnswerT")

MAX_TRIES = 4
"""Tries of one call, including the first."""
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Before the next try of long work; the last one repeats."""
MAX_FAILURES = 10
"""Failures of one call of long work while other calls succeed: Stripe fails over this very object."""
AWAY_SECONDS = 45.0
"""How long Stripe may be away before long work stops, to be continued later."""
BUSY_SECONDS = 600.0
"""How long Stripe may answer that there are too many requests."""


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
            await _until(self._go_on_at)
            try:
                return await call()
            except StripeFailure as failure:
                if not self._is_told_to_wait(failure):
                    raise
        await _until(self._go_on_at)
        return await call()

    def _is_told_to_wait(self, failure: StripeFailure) -> bool:
        told = _told_seconds(failure)
        if told is None:
            return False
        until = asyncio.get_running_loop().time() + told
        longer = until - max(self._go_on_at, asyncio.get_running_loop().time())
        if longer <= 0:
            return True
        if longer > self._left:
            return False
        self._left -= longer
        self._go_on_at = until
        return True


class Persistence:
    """For long work that nobody waits for: asks again while Stripe can't answer, with pauses that grow.

    A pause is everybody's: the calls of one piece of work fail for the same reason. Where Stripe names a longer time
    with its 429, that is waited for. A refusal (another 4xx) is raised at once; so is a failure when nothing has
    succeeded for too long, or one call alone has failed too often.
    """

    def __init__(self, pauses: Sequence[float] = PAUSES_SECONDS) -> None:
        self._pauses = pauses
        self._failures = 0
        self._failing_since: float | None = None
        self._go_on_at = 0.0

    async def ask(self, call: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """The answer. Raises StripeFailure."""
        tries = 0
        while True:
            await _until(self._go_on_at)
            try:
                answer = await call()
            except StripeFailure as failure:
                tries += 1
                if not _may_pass(failure) or (failure.status != TOO_MANY_REQUESTS and tries >= MAX_FAILURES):
                    raise
                self._postpone(failure)
            else:
                self._failures, self._failing_since = 0, None
                return answer

    def _postpone(self, failure: StripeFailure) -> None:
        """Put everybody's next call off. Raises the failure when there have been nothing but failures for too long."""
        clock = asyncio.get_running_loop().time()
        self._failing_since = self._failing_since or clock
        if clock >= self._go_on_at:  # not yet put off by another call that failed at the same time
            pause = self._pauses[min(self._failures, len(self._pauses) - 1)]
            self._failures += 1
            self._go_on_at = clock + max(pause, _told_seconds(failure) or 0)
        longest = BUSY_SECONDS if failure.status == TOO_MANY_REQUESTS else AWAY_SECONDS
        if self._go_on_at - self._failing_since > longest:
            raise failure


def _may_pass(failure: StripeFailure) -> bool:
    """Whether the same call may succeed later: no answer came, Stripe's own failure, or too many requests."""
    return failure.status is None or failure.status >= SERVER_ERROR or failure.status in (409, TOO_MANY_REQUESTS)


def _told_seconds(failure: StripeFailure) -> int | None:
    """How long Stripe says to wait; None where it doesn't say, or not in seconds."""
    told = failure.retry_after or ""
    return int(told) if failure.status == TOO_MANY_REQUESTS and told.isascii() and told.isdigit() else None


async def _until(moment: float) -> None:
    clock = asyncio.get_running_loop().time
    while (pause := moment - clock()) > 0:  # noqa: ASYNC110 - it is time itself that is waited for
        await asyncio.sleep(pause)
