"""So many requests per user and window, exactly."""

from __future__ import annotations

import asyncio
import time

import pytest

from account_gateway.entrypoints.api.rate_limits import Limit, UserLimiter
from atlas_kit.http.errors import RateLimited

pytestmark = pytest.mark.anyio


async def test_of_50_requests_at_once_exactly_10_pass() -> None:
    limiter = UserLimiter("checkout", Limit(count=10, seconds=60))
    results = await asyncio.gather(*(limiter.hit("user") for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(result, dict) for result in results) == 10
    assert sum(isinstance(result, RateLimited) for result in results) == 40


async def test_the_headers_count_down() -> None:
    limiter = UserLimiter("checkout", Limit(count=2, seconds=60))
    assert (await limiter.hit("user"))["x-ratelimit-remaining"] == "1"
    headers = await limiter.hit("user")
    assert headers["x-ratelimit-remaining"] == "0"
    assert headers["x-ratelimit-limit"] == "2"
    assert 0 < int(headers["x-ratelimit-reset"]) - time.time() <= 61
    with pytest.raises(RateLimited) as refusal:
        await limiter.hit("user")
    assert refusal.value.headers["x-ratelimit-remaining"] == "0"
    assert 1 <= int(refusal.value.headers["retry-after"]) <= 60


async def test_users_and_kinds_are_counted_apart() -> None:
    limiter = UserLimiter("checkout", Limit(count=1, seconds=60))
    await limiter.hit("one")
    await limiter.hit("two")
    await UserLimiter("portal", Limit(count=1, seconds=60)).hit("one")


async def test_a_new_window_begins_when_the_old_one_ends() -> None:
    limiter = UserLimiter("checkout", Limit(count=1, seconds=1))
    await limiter.hit("user")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            await limiter.hit("user")
        except RateLimited:
            await asyncio.sleep(0.05)
        else:
            return
    pytest.fail("the window never ended")


async def test_a_clock_set_back_holds_nobody_off(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = UserLimiter("checkout", Limit(count=1, seconds=60))
    await limiter.hit("user")
    with pytest.raises(RateLimited):
        await limiter.hit("user")
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() - 3600)
    assert (await limiter.hit("user"))["x-ratelimit-remaining"] == "0", "a window of its own"
    with pytest.raises(RateLimited) as refusal:
        await limiter.hit("user")
    assert int(refusal.value.headers["retry-after"]) <= 60


async def test_without_a_limit_nothing_is_counted() -> None:
    limiter = UserLimiter("checkout", None)
    assert [await limiter.hit("user") for _ in range(100)] == [{}] * 100
