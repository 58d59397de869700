"""The price on /pro: in whose currency, how it is written, and that the page never waits long for it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine

import pytest

from account_gateway.adapters.offered_prices import AGAIN_SECONDS, KEPT_SECONDS, STALE_SECONDS, OfferedPrices
from account_gateway.entrypoints.pages.price import languages, money, price_for
from atlas_contracts.billing import Offer
from atlas_contracts.price_api import OfferedPrice
from atlas_kit.http.errors import Unavailable

OFFERS = (Offer(amount=4900, currency="usd"), Offer(amount=4500, currency="eur"), Offer(amount=7300, currency="jpy"))


@pytest.mark.parametrize(
    ("accept_language", "price"),
    [
        ("", "$49.00"),
        ("en-US,en;q=0.9", "$49.00"),
        ("en", "$49.00"),
        ("de-DE,de;q=0.9,en;q=0.8", "€45.00"),
        ("de", "€45.00"),
        ("en-IE", "€45.00"),
        ("ja", "¥7,300"),
        ("zh-Hant-TW,ja;q=0.5", "¥7,300"),
        ("de-CH", "$49.00"),
        ("en-US;q=0.1,fr-FR;q=0.9", "€45.00"),
        ("fr-FR;q=0,en-US", "$49.00"),
        ("de-DE;q=x,;;,=,\x00", "$49.00"),
        ("x" * 5000 + ",de-DE", "$49.00"),
    ],
)
def test_a_buyer_reads_the_price_in_their_currency_where_it_has_one_and_else_in_its_own(accept_language: str, price: str) -> None:
    assert price_for(accept_language, OFFERS) == price


def test_without_an_offer_there_is_no_price() -> None:
    assert price_for("de-DE", ()) is None


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [(4900, "usd", "$49.00"), (123456, "chf", "CHF\xa01,234.56"), (4900, "jpy", "¥4,900"), (4900, "kwd", "KWD\xa04.900"), (5, "eur", "€0.05")],
)
def test_amounts_are_written_by_the_units_of_their_currency(amount: int, currency: str, written: str) -> None:
    assert money(amount, currency) == written


def test_the_most_wanted_language_comes_first() -> None:
    assert languages("en;q=0.5, de , fr;q=0.7") == ["de", "fr", "en"]


def in_a_loop(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    @functools.wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


class Asked:
    """Stands for the checkout service: ``answer`` is given, raised or waited for."""

    def __init__(self) -> None:
        self.times, self.time = 0, 0.0
        self.answer: OfferedPrice | Exception | asyncio.Event = OfferedPrice(offers=list(OFFERS))

    async def __call__(self) -> OfferedPrice:
        self.times += 1
        if isinstance(self.answer, asyncio.Event):
            await self.answer.wait()
            return OfferedPrice(offers=list(OFFERS))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def prices_of(asked: Asked) -> OfferedPrices:
    return OfferedPrices(asked, wait=0.05, clock=lambda: asked.time)


async def no_waiting(prices: OfferedPrices) -> tuple[Offer, ...]:
    """The offers, which must be there in one turn of the loop or two."""
    answer = asyncio.create_task(prices.now())
    for _ in range(3):
        await asyncio.sleep(0)
    assert answer.done(), "it waits"
    return answer.result()


@in_a_loop
async def test_the_price_is_asked_for_once_a_minute_however_many_look() -> None:
    asked = Asked()
    prices = prices_of(asked)
    assert await asyncio.gather(*(prices.now() for _ in range(20))) == [OFFERS] * 20
    asked.time = KEPT_SECONDS - 1
    assert (await prices.now(), asked.times) == (OFFERS, 1)
    asked.time = KEPT_SECONDS + 1
    assert await prices.now() == OFFERS
    await asyncio.sleep(0)
    assert (await prices.now(), asked.times) == (OFFERS, 2)


@in_a_loop
async def test_the_last_answer_is_shown_at_once_while_a_new_one_is_on_its_way_but_not_a_very_old_one() -> None:
    asked = Asked()
    prices = prices_of(asked)
    await prices.now()
    asked.answer = dearer = asyncio.Event()
    asked.time = KEPT_SECONDS + STALE_SECONDS - 1
    assert await no_waiting(prices) == OFFERS
    asked.time = KEPT_SECONDS + STALE_SECONDS + 1
    assert await prices.now() == ()
    dearer.set()
    await prices.close()


@in_a_loop
async def test_while_stripe_is_away_no_price_is_shown_and_it_is_not_asked_again_at_once() -> None:
    asked = Asked()
    prices = prices_of(asked)
    await prices.now()
    asked.time, asked.answer = KEPT_SECONDS + STALE_SECONDS + 1, Unavailable()
    assert await prices.now() == ()
    assert (await prices.now(), asked.times) == ((), 2)
    asked.time, asked.answer = asked.time + AGAIN_SECONDS + 1, OfferedPrice(offers=list(OFFERS))
    assert await prices.now() == OFFERS


@in_a_loop
async def test_a_page_waits_a_moment_only_and_the_next_one_has_what_came_later() -> None:
    asked = Asked()
    asked.answer = arrival = asyncio.Event()
    prices = prices_of(asked)
    async with asyncio.timeout(5):
        assert await prices.now() == ()
    for _ in range(20):
        assert await no_waiting(prices) == (), "who comes after that moment waits for nothing"
    arrival.set()
    async with asyncio.timeout(5):
        while not await prices.now():
            await asyncio.sleep(0)
    assert (await prices.now(), asked.times) == (OFFERS, 1)
    await prices.close()
