"""The message with which a route answers when a service that it needs doesn't answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

from fastapi import Depends

from atlas_kit.http.errors import AtlasError, Unavailable
from atlas_kit.process.logs import get_logger

log = get_logger()


def unavailable_as(message: str) -> Any:
    """A route's dependency: whatever is unavailable for it, sessions included, the caller reads ``message``."""
    # scope: only while the handler works; once its answer is being sent there is nothing left to word.
    return Depends(worded(message), scope="function")


def worded(message: str) -> Callable[[], AsyncIterator[None]]:
    """Turns Unavailable into one with ``message``: asking again later is right.

    So it is where a service behind failed in a way that it didn't foresee, and for a cancelled request: the server
    cancels what is still at work when its grace after SIGTERM is over.
    """

    async def around() -> AsyncIterator[None]:
        try:
            yield
        except Unavailable as error:
            raise Unavailable(message, headers=error.headers) from error
        except AtlasError as error:
            if error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            log.warning("service.failed", message=message)
            raise Unavailable(message) from error
        except asyncio.CancelledError as error:
            raise Unavailable(message) from error

    return around
