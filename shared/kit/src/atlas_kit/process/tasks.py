"""Background workers of a service, started and stopped with it. One that fails is logged and shown in readiness."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Self

from atlas_kit.process.logs import get_logger

log = get_logger()

RESTART_SECONDS = 1.0
STEADY_SECONDS = 10.0
"""A worker counts as healthy again when it has run for this long after a failure."""

Loop = Callable[[], Awaitable[None]]


class WorkerDied(Exception):
    """The worker failed less than ``STEADY_SECONDS`` ago, or it has ended."""


class Workers:
    """The named workers of a service. When one raises, the error is logged, readiness fails, and it is restarted."""

    def __init__(self, **loops: Loop) -> None:
        self._loops = loops
        self._tasks: list[asyncio.Task[None]] = []
        self._died: dict[str, float] = {}

    def checks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """A readiness check for each worker, by name. It raises WorkerDied."""
        return {name: partial(self._check, name) for name in self._loops}

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._keep_running(*named), name=named[0]) for named in self._loops.items()]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _check(self, name: str) -> None:
        died = self._died.get(name)
        if died is not None and monotonic() - died < STEADY_SECONDS:
            raise WorkerDied(name)
        if any(task.get_name() == name and task.done() for task in self._tasks):
            raise WorkerDied(name)

    async def _keep_running(self, name: str, loop: Loop) -> None:
        while True:
            try:
                await loop()
            except Exception:
                self._died[name] = monotonic()
                log.exception("task.failed", task=name)
            await asyncio.sleep(RESTART_SECONDS)
