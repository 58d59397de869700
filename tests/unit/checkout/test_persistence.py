"""Long work asks Stripe again while it can't answer, and stops where asking again is of no use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from atlas_kit.process.concurrently import all_of
from atlas_stripe import patience
from atlas_stripe.failure import StripeFailure
from atlas_stripe.patience import Persistence

pytestmark = pytest.mark.anyio
QUICK = (0.05, 0.1, 0.2)


class Stripe:
    """Fails so often, then answers."""

    def __init__(self, *failures: StripeFailure) -> None:
        self.failures = list(failures)
        self.asked: list[float] = []

    async def read(self) -> str:
        self.asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        return "read"


@pytest.mark.parametrize("status", [None, 429, 500, 503])
async def test_it_asks_again_after_pauses_that_grow(status: int | None) -> None:
    stripe = Stripe(*(StripeFailure(status=status) for _ in range(3)))
    assert await Persistence(QUICK).ask(stripe.read) == "read"
    pauses = [after - before for before, after in zip(stripe.asked, stripe.asked[1:], strict=False)]
    assert all(pause >= least for pause, least in zip(pauses, QUICK, strict=True)), pauses


async def test_a_longer_time_that_stripe_names_is_waited_for() -> None:
    stripe = Stripe(StripeFailure(status=429, retry_after="1"))
    await Persistence(QUICK).ask(stripe.read)
    assert stripe.asked[1] - stripe.asked[0] >= 1


async def test_a_pause_is_everybodys_and_four_failures_at_once_are_one() -> None:
    stripe = Stripe(*(StripeFailure(status=429) for _ in range(4)))
    persistence = Persistence(QUICK)
    assert await all_of(persistence.ask(stripe.read) for _ in range(4)) == ["read"] * 4
    assert max(stripe.asked) - min(stripe.asked) < sum(QUICK)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_stripe_refuses_is_raised_at_once(status: int) -> None:
    stripe = Stripe(StripeFailure(status=status))
    with pytest.raises(StripeFailure):
        await Persistence(QUICK).ask(stripe.read)
    assert len(stripe.asked) == 1


async def test_where_nothing_succeeds_for_too_long_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.3)
    stripe = Stripe(*(StripeFailure(status=500) for _ in range(100)))
    with pytest.raises(StripeFailure):
        await Persistence(QUICK).ask(stripe.read)
    assert 2 < len(stripe.asked) < 10


async def test_one_object_over_which_stripe_always_fails_does_not_hold_up_for_ever() -> None:
    persistence = Persistence((0.001,))
    broken, fine = Stripe(*(StripeFailure(status=500) for _ in range(1_000))), Stripe()
    asking = asyncio.create_task(persistence.ask(broken.read))
    while not asking.done():
        await persistence.ask(fine.read)
    with pytest.raises(StripeFailure):
        asking.result()
    assert len(broken.asked) == patience.MAX_FAILURES


def test_the_pauses_of_production_grow() -> None:
    grows: Callable[[tuple[float, ...]], bool] = lambda pauses: list(pauses) == sorted(set(pauses))  # noqa: E731 - a line beside its only use
    assert grows(patience.PAUSES_SECONDS)
