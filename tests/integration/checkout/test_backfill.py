"""``/operator/backfill``: every complete session of the account, told once, whatever was told before."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

import aiohttp
import psycopg
import pytest
from pydantic import SecretStr

from atlas_kit.http.identity import TokenMint

from .conftest import SECRET, World

pytestmark = pytest.mark.anyio

DAY = 86_400
OURS = "pro_lifetime_v1"


def old(user: str | None, days: int, product: str | None = OURS, **more: Any) -> dict[str, Any]:
    metadata = {name: value for name, value in (("userId", user), ("productKey", product)) if value}
    return {"created": int(time.time()) - days * DAY, "metadata": metadata, **more}


def past(prefix: str, each: int = 1) -> list[dict[str, Any]]:
    """Every kind of session that an existing app has at Stripe."""
    made = []
    for n in range(each):
        name = f"{prefix}-{n}"
        made += [
            old(f"{name}-paid", 400 + n),
            old(f"{name}-customer", 300 + n, customer=True),
            old(f"{name}-refunded", 200 + n, refunds=[{}]),
            old(f"{name}-partly", 200 + n, refunds=[{"amount": 900}]),
            old(f"{name}-bounced", 190 + n, refunds=[{"status": "failed"}]),
            old(f"{name}-lost", 100 + n, disputes=[{"status": "lost"}]),
            old(f"{name}-won", 100 + n, disputes=[{"status": "won", "detached": True}]),
            old(f"{name}-processing", 3, outcome="processing"),
            old(f"{name}-failed", 90 + n, outcome="failed"),
            old(f"{name}-free", 80 + n, amount=0),
            old(f"{name}-expired", 70 + n, outcome="expired"),
            old(f"{name}-link", 60 + n, payment_link=True),
            old(f"{name}-euro", 50 + n, amount=4900, currency="eur"),
            old(f"{name}-shoes", 40 + n, product="shoes"),
            old(None, 30 + n),
            old("  padded ", 20 + n),
        ]
    return made


MANY = 130
"""More than a page."""


def many(prefix: str) -> list[dict[str, Any]]:
    """Sessions that need no request of their own: newer than all that other tests have made, so that they come first."""
    return [{**old(f"{prefix}-many-{n}", 0), "created": int(time.time()) - 1} for n in range(MANY)]


PRO = {"paid", "customer", "partly", "bounced", "won"}
REVOKED = {"refunded", "lost"}
REFUSED = {"link": "made_by_a_payment_link", "euro": "other_currency", "shoes": "other_product"}


class Told:
    """What a backfill answered."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.lines = lines
        self.last = lines[-1]
        self.refused = {line["what"].removeprefix("checkout session "): line for line in lines if line.get("stage") == "refused"}

    @property
    def counts(self) -> tuple[int, int, int, int]:
        assert self.last["stage"] == "done", self.last
        return tuple(self.last[name] for name in ("read", "new", "known", "refused"))  # type: ignore[return-value]


async def backfill(world: World, *, at: str | None = None, **asked: Any) -> Told:
    answer = await world.ask("POST", "/operator/backfill", body=asked, at=at, issuer="operator")
    assert answer.status == 200, answer
    return Told([json.loads(line) for line in answer.body["raw"].splitlines()])


async def seeded(world: World, sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return (await world.control("POST", "/seed", {"sessions": sessions}))["data"]


def ledger(world: World) -> list[tuple[Any, ...]]:
    with psycopg.connect(world.entitlements_dsn) as connection:
        return connection.execute("SELECT seq, event_id, via FROM ledger ORDER BY seq").fetchall()


def announced(world: World, user: str) -> list[tuple[bool, str, int]]:
    with psycopg.connect(world.entitlements_dsn) as connection:
        return connection.execute("SELECT is_pro, status, version FROM entitlements WHERE user_id = %s", (user,)).fetchall()


async def status(world: World, user: str) -> tuple[bool, str, int]:
    found = await world.entitlement(user)
    return found["isPro"], found["status"], found["version"]


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


@contextlib.asynccontextmanager
async def streaming(world: World, at: str, **asked: Any):
    bearer = TokenMint(SecretStr(SECRET), "operator").token("checkout", "operator")
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{at}/operator/backfill", json=asked, headers={"authorization": f"Bearer {bearer}"}) as response:
            yield response


async def until(response: aiohttp.ClientResponse, stage: str) -> dict[str, Any]:
    async for line in response.content:
        told = json.loads(line)
        if told["stage"] == stage:
            return told
    raise AssertionError(f"no {stage}")


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


async def test_without_entitlements_it_says_so_loses_nothing_and_goes_on_later(world: World, user: str):
    await seeded(world, [old(user, 3)])
    with world.start_another("alone", ENTITLEMENTS_URL="http://127.0.0.1:9") as alone:
        task = asyncio.create_task(backfill(world, at=alone, fromStart=True))
        told = await asyncio.wait_for(task, 90)
    assert told.last["stage"] == "failed"
    assert told.last["error"]["recovery"] == "retry_later"
    assert (await backfill(world)).last["stage"] == "done"
    assert (await status(world, user))[0]


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
