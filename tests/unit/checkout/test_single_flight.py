"""Concurrent requests for the same thing share one answer."""

from __future__ import annotations

import asyncio

import pytest

from checkout.use_cases.single_flight import SingleFlight

pytestmark = pytest.mark.anyio


class Work:
    def __init__(self, error: Exception | None = None) -> None:
        self.runs, self.error, self.gate = 0, error, asyncio.Event()

    async def __call__(self) -> int:
        self.runs += 1
        number = self.runs
        await self.gate.wait()
        if self.error:
            raise self.error
        return number


async def start(flights: SingleFlight, work: Work, key: str = "a", count: int = 1) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(flights.run(key, work)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_many_callers_one_run():
    flights, work = SingleFlight(), Work()
    callers = await start(flights, work, count=50)
    work.gate.set()
    assert set(await asyncio.gather(*callers)) == {1}
    assert work.runs == 1


async def test_the_next_call_after_the_end_runs_again():
    flights, work = SingleFlight(), Work()
    work.gate.set()
    assert [await flights.run("a", work), await flights.run("a", work)] == [1, 2]


async def test_other_keys_run_on_their_own():
    flights, work = SingleFlight(), Work()
    callers = [*await start(flights, work, "a"), *await start(flights, work, "b")]
    work.gate.set()
    await asyncio.gather(*callers)
    assert work.runs == 2


async def test_all_hear_of_the_error_and_it_is_not_remembered():
    flights, work = SingleFlight(), Work(ValueError("no"))
    callers = await start(flights, work, count=3)
    work.gate.set()
    assert all(isinstance(e, ValueError) for e in await asyncio.gather(*callers, return_exceptions=True))
    work.error = None
    assert await flights.run("a", work) == 2


async def test_a_caller_that_leaves_takes_the_answer_from_nobody():
    flights, work = SingleFlight(), Work()
    first, second = await start(flights, work, count=2)
    first.cancel()
    work.gate.set()
    assert await second == 1


async def asked_anew(flights: SingleFlight, work: Work, count: int = 1) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(flights.run_anew("a", work)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_who_asks_anew_gets_no_answer_that_was_begun_before_and_all_of_them_share_the_next():
    flights, work = SingleFlight(), Work()
    [first] = await asked_anew(flights, work)
    others = await asked_anew(flights, work, count=50)
    assert work.runs == 1, "one at a time"
    work.gate.set()
    assert await first == 1
    assert set(await asyncio.gather(*others)) == {2}
    [last] = await asked_anew(flights, work)
    assert await last == 3


async def test_who_asks_anew_while_the_next_one_runs_gets_the_one_after_it():
    flights, work = SingleFlight(), Work()
    [first] = await asked_anew(flights, work)
    [second] = await asked_anew(flights, work)
    work.gate.set()
    work.gate = asyncio.Event()
    assert await first == 1
    await asyncio.sleep(0)
    assert work.runs == 2
    [third] = await asked_anew(flights, work)
    work.gate.set()
    assert [await second, await third] == [2, 3]


@pytest.mark.parametrize("error", [ValueError("no"), None], ids=["failed", "its caller left"])
async def test_the_next_one_begins_whatever_became_of_the_one_before(error):
    flights, before, following = SingleFlight(), Work(error), Work()
    [first] = await asked_anew(flights, before)
    leaving, staying = await asked_anew(flights, following, count=2)
    if error is None:
        first.cancel()
    leaving.cancel()
    before.gate.set()
    following.gate.set()
    await asyncio.gather(first, return_exceptions=True)
    assert await staying == 1
