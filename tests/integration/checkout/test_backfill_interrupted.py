"""A backfill that is killed, doubled, refused or starved: nothing is lost, and the next call goes on there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

import aiohttp
import pytest

from .backfilling import MANY, backfill, ledger, many, old, past, seeded, status, streaming, until
from .conftest import World

pytestmark = pytest.mark.anyio


async def test_two_at_once_the_second_is_told_that_one_is_running(world: World, user: str):
    await seeded(world, many(user))
    async with streaming(world, world.checkout, requestsPerSecond=0.1, fromStart=True) as response:
        await until(response, "page")
        other = await world.ask("POST", "/operator/backfill", body={}, at=world.replica, issuer="operator")
        assert (other.status, other.error[1]) == (409, "Another backfill is running. Wait until it has ended.")
    assert (await backfill(world)).last["stage"] == "done"


async def test_a_killed_process_leaves_its_place_and_the_next_call_goes_on_there(world: World, user: str):
    await backfill(world)
    await seeded(world, [*past(user, 1), *many(user)])
    with world.start_another("killed") as victim:
        async with streaming(world, victim, requestsPerSecond=0.5) as response:
            page = await until(response, "page")
            victim.process.kill()
            with contextlib.suppress(aiohttp.ClientError):
                await response.read()
    assert page["read"] == 100
    await seeded(world, [{**old(f"{user}-meanwhile", 0), "created": int(time.time())}])
    await world.control("DELETE", "/requests")
    rest = await backfill(world)
    assert rest.lines[0]["resumed"] is True
    total = len(await world.requests("GET", "/v1/checkout/sessions"))
    assert rest.last["read"] == rest.last["new"] + rest.last["known"] + rest.last["refused"]
    assert total < rest.last["read"] / 100 + 2
    assert await status(world, f"{user}-meanwhile") == (True, "active", 1)
    assert await status(world, f"{user}-0-paid") == (True, "active", 1)
    assert await status(world, f"{user}-0-refunded") == (False, "revoked", 1)
    for n in range(MANY):
        assert (await status(world, f"{user}-many-{n}"))[0]
    rows = ledger(world)
    await world.later()
    again = await backfill(world)
    assert again.lines[0]["resumed"] is False
    assert again.counts[:2] == (rest.last["read"], 0)
    assert len(again.refused) == len(rest.refused)
    assert ledger(world) == rows


async def test_a_caller_who_goes_away_ends_it_and_the_next_call_goes_on(world: World, user: str):
    await seeded(world, many(user))
    async with streaming(world, world.checkout, requestsPerSecond=0.5, fromStart=True) as response:
        await until(response, "page")
    rest = await backfill(world)
    assert (rest.lines[0]["resumed"], rest.last["stage"]) == (True, "done")


async def test_a_place_whose_session_stripe_no_longer_knows_is_found_by_its_time(world: World, user: str):
    await seeded(world, many(user))
    async with streaming(world, world.checkout, requestsPerSecond=0.5, fromStart=True) as response:
        await until(response, "page")
    world.change("UPDATE backfills SET last_session_id = 'cs_gone'")
    rest = await backfill(world)
    assert (rest.lines[0]["resumed"], rest.last["stage"]) == (True, "done")
    for n in range(MANY):
        assert (await status(world, f"{user}-many-{n}"))[0]


@pytest.mark.parametrize("trouble", [{"fail_next": 4, "status": 429}, {"fail_next": 4, "status": 500}])
async def test_a_stripe_that_is_busy_or_fails_for_a_while_is_waited_for(world: World, user: str, trouble: dict[str, Any]):
    await seeded(world, past(user))
    await world.control("PUT", "/api", trouble)
    assert (await backfill(world)).last["stage"] == "done"
    assert (await status(world, f"{user}-0-paid"))[0]


async def test_without_entitlements_it_says_so_loses_nothing_and_goes_on_later(world: World, user: str):
    await seeded(world, [old(user, 3)])
    with world.start_another("alone", ENTITLEMENTS_URL="http://127.0.0.1:9") as alone:
        task = asyncio.create_task(backfill(world, at=alone, fromStart=True))
        told = await asyncio.wait_for(task, 90)
    assert told.last["stage"] == "failed"
    assert told.last["error"]["recovery"] == "retry_later"
    assert (await backfill(world)).last["stage"] == "done"
    assert (await status(world, user))[0]


async def test_a_service_that_is_told_to_end_keeps_its_place(world: World, user: str):
    await seeded(world, many(user))
    with world.start_another("ending") as ending:
        async with streaming(world, ending, requestsPerSecond=1, fromStart=True) as response:
            await until(response, "page")
            ending.process.terminate()
            rest = [json.loads(line) async for line in response.content]
        ending.process.wait(30)
    assert rest[-1]["stage"] == "failed"
    assert rest[-1]["error"]["message"] == "The service is being stopped."
    assert (await backfill(world)).lines[0]["resumed"] is True
