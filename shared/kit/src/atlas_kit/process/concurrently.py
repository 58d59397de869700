"""Several calls at once, all or nothing: where one fails, the others are cancelled, as nobody needs their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

AnswerT = TypeVar("AnswerT")


async def all_of(work: Iterable[Coroutine[Any, Any, AnswerT]]) -> list[AnswerT]:
    """The answers, in order. Raises the first failure, once the others are stopped."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
