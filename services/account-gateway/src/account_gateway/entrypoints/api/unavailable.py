"""How a route words that something it needs doesn't answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Depends

from atlas_kit.http.errors import Unavailable


def unavailable_as(message: str) -> Any:
    """A route's dependency: whatever is unavailable for it, sessions included, the caller reads ``message``."""
    # scope: only while the handler works; once its answer is being sent there is nothing left to word.
    return Depends(worded(message), scope="function")


def worded(message: str) -> Callable[[], AsyncIterator[None]]:
    """Turns Unavailable into one with ``message``, and a cancelled request as well: the server cancels what is still
    at work when its grace after SIGTERM is over.
    """

    async def around() -> AsyncIterator[None]:
        try:
            yield
        except Unavailable as error:
            raise Unavailable(message, headers=error.headers) from error
        except asyncio.CancelledError as error:
            raise Unavailable(message) from error

    return around
