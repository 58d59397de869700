"""Limits per user: a fixed window that begins with the user's first request, in memory, per replica.

With N replicas a user may do up to N times as much: these limits blunt a held-down button, the checkout service's own
constraints (one open session per user and price) are what money relies on.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from atlas_kit.http.errors import RateLimited

SET_SECONDS = 1.0
"""A wall clock that moves so far against the monotonic one was set: windows that end by the old one are forgotten,
or a clock set back by an hour would hold users off for an hour.
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
            wait = max(1, math.ceil(reset - time.time()))
            raise RateLimited(headers=headers | {"retry-after": str(wait)})
        return headers


def _clocks_differ() -> float:
    return time.time() - time.monotonic()
