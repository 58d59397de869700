"""Sessions close by themselves when their time is over."""

from __future__ import annotations

import time

import anyio
import pytest

from stripe_sandbox.app import expire_sessions
from stripe_sandbox.operation import World
from stripe_sandbox.resources import catalog, checkout
from stripe_sandbox.settings import Settings
from stripe_sandbox.store import Store

from .conftest import KEY, PRICE, params


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world():
    clock = Clock()
    world = World(Settings(KEY, PRICE, "http://127.0.0.1:1"), Store(), clock)
    with world.operation() as op:
        catalog.seed(op)
    return world


def open_session(world: World, **more):
    with world.operation() as op:
        return checkout.create(op, params(**more))


def test_a_session_read_after_its_time_is_expired_once(world):
    session = open_session(world, expires_at=int(world.clock()) + 1800)
    world.clock.now += 1801
    for _ in range(2):
        with world.operation() as op:
            assert checkout.retrieve(op, {}, session["id"])["status"] == "expired"
    assert [event["type"] for event in world.store.of("event").newest_first()].count("checkout.session.expired") == 1


@pytest.mark.anyio
async def test_the_timer_expires_what_nobody_reads_and_tells(world):
    told = []
    world.publish = lambda event: told.append(event["type"])
    session, other = open_session(world, expires_at=int(world.clock()) + 1800), open_session(world)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(expire_sessions, world)
        world.clock.now += 1800
        with anyio.fail_after(5):
            while session["status"] == "open":
                await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()
    assert told == ["checkout.session.expired"]
    assert other["status"] == "open"
