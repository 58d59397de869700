"""Limits per user: a fixed window that begins with the user's first request.

All replicas count together at the checkout service (docs/decisions/0008). While that doesn't answer, each replica goes
by what it has counted itself: these limits stop a held-down button, and what protects money are the checkout service's
own constraints (one open session per user and price).
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

from account_gateway.ports import AsksService
from account_gateway.session.caller import RequireUser
from atlas_contracts.request_counts import REQUEST_COUNTS, CountRequest, RequestCount
from atlas_kit.http.errors import AtlasError, RateLimited
from atlas_kit.process.logs import get_logger

log = get_logger()

RATE_LIMITED = Counter("atlas_rate_limited_total", "Requests refused because a user made too many.", ["limit"])
COUNT_SECONDS = 1.0
"""The longest that a request waits to be counted with those at other replicas."""
MOST_KNOWN_FULL = 10_000
"""Users remembered as having used up a limit. One more, and all are forgotten: each then costs another question."""
SET_SECONDS = 1.0
"""Once the wall clock has moved this far against the monotonic one, somebody has set it. All windows are forgotten
then, because they end by the old time: with a clock set back by an hour, users would have to wait for an hour.
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` requests in ``seconds``."""

    count: int
    seconds: int


@dataclass(frozen=True, slots=True)
class _Window:
    """What is known of a user's open window: whether this request is within it, how many more are, when it ends."""

    allowed: bool
    remaining: int
    ends_in: float


class UserLimiter:
    """Counts one kind of request per user. Every request counts, the refused ones too.

    ``checkout`` counts for all replicas; without it this replica's own count decides.
    """

    def __init__(self, name: str, limit: Limit | None, checkout: AsksService | None = None) -> None:
        self._name, self._limit, self._checkout = name, limit, checkout
        self._storage = MemoryStorage()
        self._here = FixedWindowRateLimiter(self._storage)
        self._clocks_differ = _clocks_differ()
        self._full: dict[str, float] = {}
        self._refused = RATE_LIMITED.labels(name)

    async def hit(self, user_id: str) -> dict[str, str]:
        """Count a request; gives the headers of its answer. Raises RateLimited when there were too many."""
        if self._limit is None:
            return {}
        here = await self._counted_here(self._limit, user_id)
        window = self._known_full(user_id) or await self._counted_everywhere(self._limit, user_id) or here
        headers = {
            "x-ratelimit-limit": str(self._limit.count),
            "x-ratelimit-remaining": str(window.remaining),
            "x-ratelimit-reset": str(math.ceil(time.time() + window.ends_in)),
        }
        if not window.allowed:
            self._refused.inc()
            raise RateLimited(headers=headers | {"retry-after": str(max(1, math.ceil(window.ends_in)))})
        return headers

    async def _counted_here(self, limit: Limit, user_id: str) -> _Window:
        """By this replica alone. It counts always, so that it knows something when it has to decide."""
        if abs(_clocks_differ() - self._clocks_differ) > SET_SECONDS:
            self._clocks_differ = _clocks_differ()
            await self._storage.reset()
        item = RateLimitItemPerSecond(limit.count, limit.seconds)
        allowed = await self._here.hit(item, self._name, user_id)
        reset, remaining = await self._here.get_window_stats(item, self._name, user_id)
        return _Window(allowed, remaining, reset - time.time())

    def _known_full(self, user_id: str) -> _Window | None:
        """A window that was used up when it was last asked about and hasn't ended: asking again would change nothing.

        So a held-down button costs the checkout service no more than the limit and one question per replica.
        """
        ends_in = self._full.get(user_id, 0.0) - time.monotonic()
        if ends_in > 0:
            return _Window(allowed=False, remaining=0, ends_in=ends_in)
        self._full.pop(user_id, None)
        return None

    async def _counted_everywhere(self, limit: Limit, user_id: str) -> _Window | None:
        """By all replicas; None where the checkout service doesn't answer, or doesn't know the question yet."""
        if self._checkout is None:
            return None
        asked = CountRequest(limit=self._name, seconds=limit.seconds)
        try:
            told = await self._checkout.post(REQUEST_COUNTS, user_id, RequestCount, asked, seconds=COUNT_SECONDS)
        except AtlasError as error:
            log.warning("limits.counted_here", limit=self._name, error=type(error).__name__)
            return None
        window = _Window(told.count <= limit.count, max(0, limit.count - told.count), told.ends_in)
        if told.count > limit.count:
            if len(self._full) >= MOST_KNOWN_FULL:
                self._full.clear()
            self._full[user_id] = time.monotonic() + window.ends_in
        return window


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
