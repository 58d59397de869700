"""Ending tasks for sure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.5


async def end(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel until every task is done.

    Once isn't enough: `asyncio.wait_for`, which nats-py uses, loses a cancellation that comes in the same moment as its
    result (Python before 3.12), and the task goes on.
    """
    going_on = [task for task in tasks if not task.done()]
    while going_on:
        for task in going_on:
            task.cancel()
        await asyncio.wait(going_on, timeout=AGAIN_SECONDS)
        going_on = [task for task in going_on if not task.done()]
