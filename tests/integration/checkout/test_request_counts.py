"""What all replicas of the gateway count together: at two replicas of the checkout service, over one database."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

pytestmark = pytest.mark.anyio


async def counted(world, user, seconds=60, limit="checkout", **where) -> dict:
    answer = await world.ask("POST", "/internal/request-counts", user, {"limit": limit, "seconds": seconds}, **where)
    assert answer.status == 200, answer
    return answer.body


async def test_of_60_at_once_at_two_replicas_each_gets_a_number_of_its_own(world, user):
    told = await asyncio.gather(
        *(counted(world, user, at=at) for _ in range(30) for at in (world.checkout, world.replica))
    )
    assert sorted(each["count"] for each in told) == list(range(1, 61))
    assert all(0 < each["endsIn"] <= 60 for each in told)


async def test_users_and_limits_are_counted_apart(world, user):
    await counted(world, user)
    assert (await counted(world, f"{user}-other"))["count"] == 1
    assert (await counted(world, user, limit="portal"))["count"] == 1
    assert (await counted(world, user))["count"] == 2


async def test_a_window_ends_and_ended_ones_are_deleted(world, user):
    for number in range(5):
        await counted(world, f"{user}-{number}", seconds=1)
    await counted(world, user, seconds=1)
    deadline = time.monotonic() + 10
    while (await counted(world, user, seconds=1))["count"] != 1:
        assert time.monotonic() < deadline, "the window never ends"
        await asyncio.sleep(0.05)
    with psycopg.connect(world.checkout_dsn) as connection:
        kept = connection.execute(
            "SELECT count(*) FROM request_counts WHERE user_id LIKE %s AND ends_at < now()", (f"{user}-%",)
        ).fetchone()
    assert kept == (0,)


async def test_a_window_begun_with_a_longer_setting_holds_nobody_off_for_longer_than_the_present_one(world, user):
    await counted(world, user, seconds=3600)
    told = await counted(world, user, seconds=60)
    assert told["count"] == 2
    assert told["endsIn"] <= 60


@pytest.mark.parametrize("body", [{}, {"limit": "checkout"}, {"limit": "a'b", "seconds": 1}, {"limit": "checkout", "seconds": 0}])
async def test_what_makes_no_sense_is_refused(world, user, body):
    assert (await world.ask("POST", "/internal/request-counts", user, body)).status in (400, 422)


async def test_only_the_gateway_may_have_something_counted(world, user):
    body = {"limit": "checkout", "seconds": 60}
    for issuer in ("entitlements", "webhook-ingest", "operator"):
        assert (await world.ask("POST", "/internal/request-counts", user, body, issuer=issuer)).status == 403


async def test_counting_waits_for_no_disk_and_no_standby(world):
    """An unlogged table writes no log, so a commit has nothing to flush or to send."""
    with psycopg.connect(world.checkout_dsn) as connection:
        kind = connection.execute("SELECT relpersistence FROM pg_class WHERE relname = 'request_counts'").fetchone()
    assert kind in (("u",), (b"u",))
