"""A background worker that has died turns readiness red, by name, and is started again."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.requests import Request

from atlas_kit.http.health import failing_checks, health_routes
from atlas_kit.process import tasks
from atlas_kit.process.tasks import Workers

pytestmark = pytest.mark.anyio


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_the_one_that_died_is_named_and_the_others_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    lives = 0

    async def mortal() -> None:
        nonlocal lives
        lives += 1
        raise RuntimeError("worn out")

    monkeypatch.setattr(tasks, "RESTART_SECONDS", 0.01)
    workers = Workers(steady=for_ever, mortal=mortal)
    assert await failing_checks(workers.checks()) == []
    async with workers:
        while lives < 3:
            await asyncio.sleep(0.01)
        for _ in range(20):  # at any moment: also in the short lives in between
            assert await failing_checks(workers.checks()) == ["mortal"]
            await asyncio.sleep(0.005)


async def test_one_that_lives_again_is_well_again(monkeypatch: pytest.MonkeyPatch) -> None:
    died = asyncio.Event()

    async def once() -> None:
        if not died.is_set():
            died.set()
            raise RuntimeError
        await for_ever()

    monkeypatch.setattr(tasks, "RESTART_SECONDS", 0.01)
    seconds = 100.0
    monkeypatch.setattr(tasks, "monotonic", lambda: seconds)
    workers = Workers(once=once)
    async with workers:
        await died.wait()
        await asyncio.sleep(0)
        seconds += tasks.STEADY_SECONDS - 1
        assert await failing_checks(workers.checks()) == ["once"]
        seconds += 1
        assert await failing_checks(workers.checks()) == []


async def test_one_whose_task_is_gone_is_dead() -> None:
    workers = Workers(gone=for_ever)
    async with workers:
        workers._tasks[0].cancel()
        await asyncio.sleep(0.01)
        assert await failing_checks(workers.checks()) == ["gone"]


async def test_readiness_answers_503_and_says_which() -> None:
    workers = Workers(outbox=for_ever)
    workers._died["outbox"] = tasks.monotonic()
    ready = next(route for route in health_routes(workers.checks) if route.path == "/readyz")
    answer = await ready.endpoint(Request({"type": "http", "headers": []}))
    assert (answer.status_code, json.loads(answer.body)["failing"]) == (503, ["outbox"])
