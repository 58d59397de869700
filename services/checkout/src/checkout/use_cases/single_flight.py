"""Concurrent requests for the same thing share one run of the work and its answer (a user who clicks twice, say)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

AnswerT = TypeVar("AnswerT")


class SingleFlight(Generic[AnswerT]):
    """One running task per key in this process. Between replicas, the database and Stripe's idempotency keys decide."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[AnswerT]] = {}

    async def run(self, key: str, work: Callable[[], Coroutine[Any, Any, AnswerT]]) -> AnswerT:
        """The result, or the error, of the task that runs for ``key``; it is started if none runs.

        A caller that is cancelled doesn't cancel the work for the others.
        """
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._running[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    def _forget(self, key: str, task: asyncio.Task[AnswerT]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # marks it as retrieved: else asyncio logs it where every caller has gone
