"""Makes several calls at once; if one fails, the others are cancelled, because their answers are no longer needed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

AnswerT = TypeVar("AnswerT")


async def all_of(work: Iterable[Coroutine[Any, Any, AnswerT]]) -> list[AnswerT]:
    """The answers, in the order of ``work``. Raises the first failure, after the other calls have been stopped."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
