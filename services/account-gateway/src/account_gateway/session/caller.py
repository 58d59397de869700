"""The one thing a session is asked for: the user's id."""

from __future__ import annotations

from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import Request

from atlas_kit.http.errors import Unauthorized


class Sessions(Protocol):
    """Reads a session. ``userId`` is the only identity: no other header, parameter or body field names a user."""

    async def user_of(self, headers: Headers) -> str | None:
        """The user id of a valid session, None without one. Raises Unavailable where sessions can't be looked up."""

    async def check(self) -> None:
        """Readiness: raises when sessions can't be looked up."""


async def require_user(request: Request, sessions: Sessions) -> str:
    """The caller's user id. Raises Unauthorized without a valid session."""
    user_id = await sessions.user_of(request.headers)
    if user_id is None:
        raise Unauthorized
    return user_id
