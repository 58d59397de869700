"""So many requests per user and window, exactly."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from account_gateway.entrypoints.api.rate_limits import Limit, UserLimiter
from atlas_contracts.request_counts import CountRequest, RequestCount
from atlas_kit.http.errors import AtlasError, NotFound, RateLimited, Unavailable

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


class Counting:
    """The checkout service as limiters ask it: counts, or fails as it is told to."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.fails_with: AtlasError | None = None
        self.ends_in = 60.0

    async def post(self, path: str, subject: str, answer: Any, body: Any = None, *, seconds: float = 5) -> Any:
        assert (path, answer) == ("/internal/request-counts", RequestCount)
        assert isinstance(body, CountRequest) and seconds <= 1
        if self.fails_with:
            raise self.fails_with
        self.counts[body.limit, subject] += 1
        return RequestCount(count=self.counts[body.limit, subject], ends_in=self.ends_in)

    async def get(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("nothing is read")


async def test_two_replicas_let_no_more_through_than_one() -> None:
    checkout = Counting()
    replicas = [UserLimiter("checkout", Limit(count=10, seconds=60), checkout) for _ in range(2)]
    results = await asyncio.gather(*(replicas[n % 2].hit("user") for n in range(50)), return_exceptions=True)
    assert sum(isinstance(result, dict) for result in results) == 10
    assert sum(isinstance(result, RateLimited) for result in results) == 40


async def test_the_headers_are_those_of_the_count_of_all_replicas() -> None:
    checkout = Counting()
    one, other = (UserLimiter("portal", Limit(count=2, seconds=60), checkout) for _ in range(2))
    await one.hit("user")
    checkout.ends_in = 7.0
    headers = await other.hit("user")
    assert headers["x-ratelimit-remaining"] == "0"
    assert 0 < int(headers["x-ratelimit-reset"]) - time.time() <= 8
    with pytest.raises(RateLimited) as refusal:
        await one.hit("user")
    assert refusal.value.headers["retry-after"] == "7"


async def test_who_is_known_to_be_over_the_limit_costs_no_further_question_until_the_window_ends() -> None:
    checkout = Counting()
    checkout.ends_in = 0.2
    limiter = UserLimiter("restore", Limit(count=1, seconds=60), checkout)
    await limiter.hit("user")
    for _ in range(20):
        with pytest.raises(RateLimited):
            await limiter.hit("user")
    assert checkout.counts["restore", "user"] == 2
    checkout.counts.clear()  # as the checkout service begins anew at the window's end
    deadline = time.monotonic() + 5
    while not checkout.counts:
        assert time.monotonic() < deadline, "it is never asked again"
        try:
            await limiter.hit("user")
        except RateLimited:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("failure", [Unavailable(), NotFound()], ids=["away", "of an older version"])
async def test_while_nobody_counts_for_all_each_replica_goes_by_its_own_count_from_the_beginning(
    failure: AtlasError,
) -> None:
    checkout = Counting()
    limiter = UserLimiter("checkout", Limit(count=3, seconds=60), checkout)
    await limiter.hit("user")
    checkout.fails_with = failure
    assert (await limiter.hit("user"))["x-ratelimit-remaining"] == "1", "what it let through before counts"
    await limiter.hit("user")
    with pytest.raises(RateLimited):
        await limiter.hit("user")


async def test_a_limit_that_is_off_asks_nobody() -> None:
    checkout = Counting()
    await UserLimiter("checkout", None, checkout).hit("user")
    assert not checkout.counts
