"""Background loops of a service: started with it, stopped with it, and never silently dead."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from atlas_kit.logs import get_logger

log = get_logger()

RESTART_SECONDS = 1.0


@asynccontextmanager
async def running(**loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run the named loops for the length of the block; one that raises is logged and started again."""
    tasks = [asyncio.create_task(_keep_running(name, loop), name=name) for name, loop in loops.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await loop()
        except Exception:
            log.exception("task.failed", task=name)
        await asyncio.sleep(RESTART_SECONDS)
