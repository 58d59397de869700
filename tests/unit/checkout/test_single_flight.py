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
        await self.gate.wait()
        if self.error:
            raise self.error
        return self.runs


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
