"""Concurrent requests for the same thing share one run of the work and its answer (a user who clicks twice, say).

:meth:`SingleFlight.run` shares a run that is under way. :meth:`SingleFlight.run_anew` is for questions whose answer may
change: a run that began before the question may have looked before a payment was made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

AnswerT = TypeVar("AnswerT")
Work = Callable[[], Coroutine[Any, Any, AnswerT]]


class SingleFlight(Generic[AnswerT]):
    """One running task per key in this process. Between replicas, the database and Stripe's idempotency keys decide."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[AnswerT]] = {}
        self._next: dict[str, tuple[asyncio.Event, asyncio.Task[AnswerT]]] = {}
        """What begins, by its event, at the moment at which the key's running task ends."""

    async def run(self, key: str, work: Work[AnswerT]) -> AnswerT:
        """The result, or the error, of the task that runs for ``key``; it is started if none runs.

        A caller that is cancelled doesn't cancel the work for the others.
        """
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._let_run(key, task)
        return await asyncio.shield(task)

    async def run_anew(self, key: str, work: Work[AnswerT]) -> AnswerT:
        """The result, or the error, of a task that begins no earlier than this call.

        All who call while one runs for ``key`` share the next one. A caller that is cancelled doesn't cancel the work
        for the others.
        """
        if key not in self._running:
            return await self.run(key, work)
        if key not in self._next:
            turn = asyncio.Event()
            self._next[key] = turn, asyncio.create_task(_after(turn, work))
        _, task = self._next[key]
        return await asyncio.shield(task)

    def _let_run(self, key: str, task: asyncio.Task[AnswerT]) -> None:
        self._running[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: str, task: asyncio.Task[AnswerT]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # marks it as retrieved: else asyncio logs it where every caller has gone
        if key in self._next:
            turn, following = self._next.pop(key)
            self._let_run(key, following)
            turn.set()


async def _after(turn: asyncio.Event, work: Work[AnswerT]) -> AnswerT:
    await turn.wait()
    return await work()
