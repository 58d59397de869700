"""A Stripe that says 429 is left alone: for as long as it said, and for good where it didn't say."""

from __future__ import annotations

import asyncio

import pytest

from checkout.concurrently import all_of
from checkout.patience import Patience
from checkout.stripe_failure import StripeFailure

pytestmark = pytest.mark.anyio


class Stripe:
    """Answers 429 the first ``busy`` times."""

    def __init__(self, busy: int, retry_after: str | None) -> None:
        self.busy, self.retry_after = busy, retry_after
        self.asked: list[float] = []

    async def read(self) -> str:
        self.asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0)
        if len(self.asked) <= self.busy:
            raise StripeFailure(status=429, retry_after=self.retry_after)
        return "read"


async def test_it_waits_as_long_as_stripe_says_and_asks_again() -> None:
    stripe = Stripe(1, "1")
    assert await Patience(5).ask(stripe.read) == "read"
    assert stripe.asked[1] - stripe.asked[0] >= 1


async def test_a_pause_is_everybodys_and_is_waited_for_once() -> None:
    stripe, patience = Stripe(4, "1"), Patience(1.5)
    assert await all_of(patience.ask(stripe.read) for _ in range(4)) == ["read"] * 4
    assert len(stripe.asked) == 8
    assert min(stripe.asked[4:]) - max(stripe.asked[:4]) >= 0.9


@pytest.mark.parametrize("retry_after", [None, "60", "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_without_a_time_or_with_too_long_a_one_the_caller_hears_of_it_at_once(retry_after: str | None) -> None:
    stripe = Stripe(1, retry_after)
    with pytest.raises(StripeFailure):
        await Patience(5).ask(stripe.read)
    assert len(stripe.asked) == 1


async def test_another_failure_is_nothing_to_be_patient_with() -> None:
    async def broken() -> None:
        raise StripeFailure(status=500, retry_after="1")

    with pytest.raises(StripeFailure):
        await Patience(5).ask(broken)


async def test_where_one_fails_its_siblings_stop_asking() -> None:
    stopped = asyncio.Event()

    async def patient() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise

    async def failing() -> None:
        await asyncio.sleep(0)
        raise StripeFailure(status=429)

    with pytest.raises(StripeFailure) as failure:
        await all_of([patient(), failing(), patient()])
    assert failure.value.status == 429 and stopped.is_set()
