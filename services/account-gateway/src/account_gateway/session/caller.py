"""The one dependency of routes for signed-in users: the caller's user id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from account_gateway.ports import Sessions
from atlas_kit.http.errors import Unauthorized

RequireUser = Callable[[Request], Awaitable[str]]
"""Gives the caller's user id. Raises Unauthorized without a valid session, Unavailable where none can be looked up."""


def require_user(sessions: Sessions) -> RequireUser:
    """The dependency over these sessions; :func:`atlas_kit.http.lean` routes call it themselves."""

    async def user_id(request: Request) -> str:
        found = await sessions.user_of(request.headers)
        if found is None:
            raise Unauthorized
        return found

    return user_id
