"""``/operator/backfill``: every complete session of the account, told once, whatever was told before."""

from __future__ import annotations

import time

import pytest

from .backfilling import DAY, PRO, REFUSED, REVOKED, backfill, ledger, old, past, seeded, status
from .conftest import World

pytestmark = pytest.mark.anyio


async def test_every_kind_of_old_session_gets_its_verdict_at_once_and_nothing_the_second_time(world: World, user: str):
    await backfill(world)  # what other tests left behind
    made = await seeded(world, past(user, 3))
    first = await backfill(world)
    assert first.last["new"] == 3 * 10
    assert first.last["read"] == first.last["new"] + first.last["known"] + first.last["refused"]
    for n in range(3):
        for kind in PRO:
            assert await status(world, f"{user}-{n}-{kind}") == (True, "active", 1), kind
        for kind in REVOKED:  # never Pro for a moment: one change, and that one is revoked
            assert await status(world, f"{user}-{n}-{kind}") == (False, "revoked", 1), kind
        for kind in ("processing", "failed", "free", "expired", "link", "euro", "shoes"):
            assert await status(world, f"{user}-{n}-{kind}") == (False, "none", 0), kind
    because = {line["userId"]: line["because"] for line in first.refused.values()}
    for kind, reason in REFUSED.items():
        assert because[f"{user}-0-{kind}"] == reason
    assert first.refused[made[14]["id"]]["because"] == "no_user_in_metadata"
    assert (first.refused[made[15]["id"]]["because"], first.refused[made[15]["id"]]["userId"]) == ("unusable_user_id", None)
    rows = ledger(world)
    assert {via for _, event_id, via in rows if made[0]["id"] in event_id} == {"backfill"}
    await world.later()
    second = await backfill(world)
    assert second.counts == (first.last["read"], 0, first.last["known"] + first.last["new"], first.last["refused"])
    assert ledger(world) == rows


async def test_what_is_no_business_of_ours_is_not_told_and_what_is_somebodys_money_is(world: World, user: str):
    made = await seeded(world, [old(f"{user}-shoes", 9, product="shoes"), old(None, 9), old(f"{user}-link", 9, payment_link=True)])
    await backfill(world)
    told = " ".join(event_id for _, event_id, _ in ledger(world))
    assert [one["id"] in told for one in made] == [False, False, True]


async def test_a_dry_run_says_the_same_and_changes_nothing(world: World, user: str):
    await backfill(world)
    await seeded(world, past(user))
    rows, runs = ledger(world), world.rows("SELECT count(*) FROM backfills")
    dry = await backfill(world, dryRun=True)
    assert dry.last["new"] == 10
    assert (ledger(world), world.rows("SELECT count(*) FROM backfills")) == (rows, runs)
    assert (await backfill(world)).counts == dry.counts


async def test_what_restore_told_is_known(world: World, user: str):
    session = await world.opened(user)
    await world.pay(session)
    assert (await world.restore(user)).body["outcome"] == "restored"
    await backfill(world)
    rows = ledger(world)
    await world.later()
    assert (await backfill(world)).last["new"] == 0
    assert ledger(world) == rows


async def test_a_refund_whose_webhook_never_came_is_new_and_told_once(world: World, user: str):
    (made,) = await seeded(world, [old(user, 30)])
    await backfill(world)
    await world.control("POST", "/refunds", {"payment_intent": made["payment_intent"]})
    assert (await backfill(world)).last["new"] == 1
    assert await status(world, user) == (False, "revoked", 2)
    rows = ledger(world)
    await world.later()
    assert (await backfill(world)).last["new"] == 0
    assert ledger(world) == rows


async def test_since_leaves_out_what_is_older(world: World, user: str):
    await seeded(world, [old(f"{user}-old", 500), old(f"{user}-young", 5)])
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 10 * DAY))
    await backfill(world, since=since)
    assert await status(world, f"{user}-young") == (True, "active", 1)
    assert await status(world, f"{user}-old") == (False, "none", 0)


async def test_nobody_but_an_operator_may_and_nonsense_is_refused(world: World):
    for issuer in ("account-gateway", "webhook-ingest", "entitlements"):
        assert (await world.ask("POST", "/operator/backfill", body={}, issuer=issuer)).status in (401, 403)
    future = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + DAY))
    for asked in ({"since": "yesterday"}, {"requestsPerSecond": 0}, {"requestsPerSecond": 1e9}, {"since": future}):
        assert (await world.ask("POST", "/operator/backfill", body=asked, issuer="operator")).status == 400, asked


async def test_the_rate_is_held(world: World, user: str):
    await seeded(world, [old(f"{user}-{n}", 9, disputes=[{"status": "won"}]) for n in range(10)])
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 9.1 * DAY))
    await backfill(world, since=since)
    await world.control("DELETE", "/requests")
    started = time.monotonic()
    await backfill(world, since=since, requestsPerSecond=5)
    asked = len((await world.control("GET", "/requests"))["data"])
    assert asked > 5
    assert time.monotonic() - started >= (asked - 1) / 5 - 0.1


async def test_a_forgotten_user_is_not_brought_back_by_what_stripe_still_says(world: World, user: str):
    """Nothing led `forget` to a session without a customer, so its metadata still names them."""
    (made,) = await seeded(world, [old(user, 30)])
    await backfill(world)
    forgotten = await world.ask("POST", "/operator/forget", body={"userId": user}, at=world.entitlements, audience="entitlements", issuer="operator")
    assert forgotten.status == 200
    rows = ledger(world)
    again = await backfill(world)
    assert (again.refused[made["id"]]["because"], again.refused[made["id"]]["userId"]) == ("forgotten", None)
    assert ledger(world) == rows
    assert (await status(world, user))[1] == "none"


async def test_a_user_whose_sessions_only_a_backfill_found_is_forgotten_at_stripe_too(world: World, user: str):
    made = await seeded(world, [old(user, 400), old(user, 300, customer=True)])
    await backfill(world)
    answer = await world.ask("POST", f"/internal/v1/users/{user}/forget", user, issuer="atlas-web")
    assert (answer.status, answer.body["sessions"]) == (200, 2)
    assert ["userId" in (await world.session(one["id"]))["metadata"] for one in made] == [False, False]
    again = await backfill(world)
    assert {line["because"] for key, line in again.refused.items() if key in {one["id"] for one in made}} <= {"forgotten", "no_user_in_metadata"}
