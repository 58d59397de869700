"""Limits per user: a fixed window that begins with the user's first request, in memory, per replica.

With N replicas a user may do up to N times as much (docs/decisions/0008): these limits stop a held-down button. What
protects money are the checkout service's own constraints (one open session per user and price).
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from prometheus_client import Counter
from starlette.requests import Request

from account_gateway.session.caller import RequireUser
from atlas_kit.http.errors import RateLimited

RATE_LIMITED = Counter("atlas_rate_limited_total", "Requests refused because a user made too many.", ["limit"])
SET_SECONDS = 1.0
"""Once the wall clock has moved this far against the monotonic one, somebody has set it. All windows are forgotten
then, because they end by the old time: with a clock set back by an hour, users would have to wait for an hour.
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` requests in ``seconds``."""

    count: int
    seconds: int


class UserLimiter:
    """Counts one kind of request per user. Every request counts, the refused ones too."""

    def __init__(self, name: str, limit: Limit | None) -> None:
        self._name = name
        self._item = RateLimitItemPerSecond(limit.count, limit.seconds) if limit else None
        self._storage = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._clocks_differ = _clocks_differ()
        self._refused = RATE_LIMITED.labels(name)

    async def hit(self, user_id: str) -> dict[str, str]:
        """Count a request; gives the headers of its answer. Raises RateLimited when there were too many."""
        if self._item is None:
            return {}
        if abs(_clocks_differ() - self._clocks_differ) > SET_SECONDS:
            self._clocks_differ = _clocks_differ()
            await self._storage.reset()
        allowed = await self._limiter.hit(self._item, self._name, user_id)
        reset, remaining = await self._limiter.get_window_stats(self._item, self._name, user_id)
        headers = {
            "x-ratelimit-limit": str(self._item.amount),
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": str(math.ceil(reset)),
        }
        if not allowed:
            self._refused.inc()
            wait = max(1, math.ceil(reset - time.time()))
            raise RateLimited(headers=headers | {"retry-after": str(wait)})
        return headers


@dataclass(frozen=True, slots=True)
class LimitedUser:
    """A caller within the limit, and the headers in which the answer tells what is left of it."""

    user_id: str
    headers: dict[str, str]


RequireLimitedUser = Callable[[Request], Awaitable[LimitedUser]]
"""Like RequireUser; also raises RateLimited."""


def within(limiter: UserLimiter, user: RequireUser) -> RequireLimitedUser:
    """The dependency of a limited route."""

    async def counted(request: Request) -> LimitedUser:
        user_id = await user(request)
        return LimitedUser(user_id, await limiter.hit(user_id))

    return counted


def _clocks_differ() -> float:
    """The wall clock minus the monotonic clock, in seconds; constant while nobody sets the wall clock."""
    return time.time() - time.monotonic()
