"""Opening checkout while something fails: nothing is made twice, and nothing is sold that can't be judged."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

pytestmark = pytest.mark.anyio

CHECKOUT_DOWN = ("internal_error", "Checkout is temporarily unavailable. Please try again later.", "retry_later")
ALREADY_PRO = ("invalid_request", "Pro is already active.", "none")
PROCESSING = ("invalid_request", "A payment is already being processed.", "none")
SESSIONS = "/v1/checkout/sessions"


@pytest.mark.parametrize("failing_call", ["customer", "session"])
async def test_when_stripe_acted_and_answered_with_an_error_nothing_is_made_twice(world, user, failing_call):
    if failing_call == "session":
        world.change("INSERT INTO customers (user_id, customer_id) VALUES (%s, %s)", user, await new_customer(world, user))
    await world.control("PUT", "/api", {"fail_next": 1, "after_effect": True})
    await world.opened(user)
    assert len(await world.sessions(user)) == 1
    found = await world.stripe("get", "/v1/customers/search", query=f"metadata['userId']:'{user}'")
    assert len(found["data"]) == 1


async def new_customer(world, user) -> str:
    return str((await world.stripe("post", "/v1/customers", metadata={"userId": user}))["id"])


async def test_a_death_between_stripes_effect_and_our_commit_loses_nothing(world, user):
    session = await world.opened(user)
    # What the database looks like when the process died before it could record the session.
    world.change(
        "UPDATE checkout_attempts SET state = 'creating', checkout_session_id = NULL WHERE user_id = %s", user
    )
    assert await world.opened(user, at=world.replica) == session
    assert len(await world.sessions(user)) == 1


async def test_a_session_that_ended_before_it_could_be_recorded_is_given_to_nobody(world, user):
    session = await world.opened(user)
    world.change(
        "UPDATE checkout_attempts SET state = 'creating', checkout_session_id = NULL WHERE user_id = %s", user
    )
    await world.control("POST", f"/checkout/{session}/expire")
    assert await world.opened(user) != session  # though Stripe repeats its first answer under that key: open


@pytest.mark.parametrize("after_seconds", [0.3, 0.8, 1.3, 1.8])
async def test_a_process_killed_at_any_moment_leaves_one_session(world, user, after_seconds):
    """Customer, session and their answers take half a second each: the kill hits before, between and after."""
    with world.start_another(f"killed-{after_seconds}") as doomed:
        await world.control("PUT", "/api", {"latency_ms": 500})
        click = asyncio.create_task(world.open(user, at=doomed))
        await asyncio.sleep(after_seconds)
        doomed.process.kill()
        await asyncio.wait([click])
        click.exception()
    await asyncio.gather(*(world.open(user) for _ in range(3)))
    assert len(await world.sessions(user)) == 1
    found = await world.stripe("get", "/v1/customers/search", query=f"metadata['userId']:'{user}'")
    assert len(found["data"]) == 1


async def test_an_attempt_that_lay_too_long_is_replaced(world, user):
    session = await world.opened(user)
    world.change(
        "UPDATE checkout_attempts SET state = 'creating', checkout_session_id = NULL, id = gen_random_uuid(),"
        " parameters = jsonb_set(parameters, '{expires_at}', '1700000000') WHERE user_id = %s",
        user,
    )
    await world.control("POST", f"/checkout/{session}/expire")
    assert await world.opened(user) != session


async def test_a_customer_deleted_at_stripe_is_replaced(world, user):
    await world.opened(user)
    customer = world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user)[0][0]
    world.change("UPDATE checkout_attempts SET state = 'expired' WHERE user_id = %s", user)
    await world.stripe("delete", f"/v1/customers/{customer}")
    await world.opened(user)
    assert world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user)[0][0] != customer


@pytest.mark.parametrize(
    ("misbehavior", "retry_after"),
    [
        ({"fail_next": 1000, "status": 500}, False),
        ({"fail_next": 1000, "status": 503}, False),
        ({"fail_next": 1000, "status": 429}, True),
        ({"fail_next": 1000, "status": 400}, False),
        ({"fail_next": 1000, "status": 401}, False),
    ],
)
async def test_stripe_failing_is_told_as_unavailable_and_the_next_click_works(world, user, misbehavior, retry_after):
    await world.control("PUT", "/api", misbehavior)
    answer = await world.open(user)
    assert (answer.status, answer.error) == (503, CHECKOUT_DOWN)
    assert ("retry-after" in answer.headers) is retry_after
    await world.control("PUT", "/api", {})
    await world.opened(user)
    assert len(await world.sessions(user)) == 1


async def test_a_stripe_that_hangs_is_given_up_in_time_and_the_next_click_gets_the_same_session(world, user):
    await world.control("PUT", "/api", {"latency_ms": 25_000})
    started = time.monotonic()
    answer = await world.open(user)
    assert (answer.status, answer.error) == (503, CHECKOUT_DOWN)
    assert time.monotonic() - started < 24
    await world.control("PUT", "/api", {})
    await world.opened(user)  # waits for the call that still hangs at Stripe under our key
    assert len(await world.sessions(user, status="open")) == 1


async def test_without_the_entitlements_service_nothing_is_sold(world, user):
    with world.start_another("lonely", ENTITLEMENTS_URL="http://127.0.0.1:9") as lonely:
        answer = await world.open(user, at=lonely)
    assert (answer.status, answer.error) == (503, CHECKOUT_DOWN)
    assert await world.requests("POST", SESSIONS, user) == []


@pytest.mark.parametrize(("disputed", "said"), [(True, PROCESSING), (False, ALREADY_PRO)], ids=["disputed", "paid"])
async def test_what_is_paid_and_not_folded_in_time_is_not_sold_again(world, user, disputed, said):
    """Whether a disputed payment stands meanwhile, the ledger says. Until it does, the payment is being processed."""
    session = await world.opened(user)
    await world.pay(session)
    if disputed:
        await world.control("POST", "/disputes", {"payment_intent": (await world.session(session))["payment_intent"]})
    with psycopg.connect(world.entitlements_dsn) as folding_waits:
        folding_waits.execute("LOCK TABLE ledger IN EXCLUSIVE MODE")
        answer = await world.open(user)
        assert (answer.status, answer.error) == (400, said)
        assert not (await world.entitlement(user))["isPro"], "it was folded, so this shows nothing"
    async with asyncio.timeout(60):
        while (await world.open(user)).error != ALREADY_PRO:
            await asyncio.sleep(0.2)
    assert (await world.entitlement(user))["isPro"] and len(await world.sessions(user)) == 1


async def test_without_the_database_nothing_is_sold(world, user):
    away = "postgresql://nobody:nothing@127.0.0.1:9/none"
    with world.start_another("no-database", ready="/healthz", DATABASE_URL=away) as cut_off:
        answer = await world.open(user, at=cut_off)
        assert (await world.ask("GET", "/readyz", at=cut_off)).body["failing"] == ["database"]
    assert (answer.status, answer.error) == (503, CHECKOUT_DOWN)


async def test_without_the_broker_one_can_still_buy_and_the_ledger_hears_of_it_later(world, user):
    with world.start_another("no-broker-buy", ready="/healthz", NATS_URL="nats://127.0.0.1:9") as cut_off:
        assert await world.opened(user, at=cut_off)


async def test_an_open_session_of_a_deleted_customer_is_replaced_with_its_customer(world, user):
    """Case 9: nobody can pay it any more."""
    dead = await world.opened(user)
    customer = world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user)[0][0]
    await world.stripe("delete", f"/v1/customers/{customer}")
    session = await world.opened(user)
    assert session != dead
    assert world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user)[0][0] != customer
    assert (await world.session(session))["customer"] != customer
    assert await world.opened(user) == session
