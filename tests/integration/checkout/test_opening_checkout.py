"""One open session per user and price, whatever the concurrency; never a second sale."""

from __future__ import annotations

import asyncio
import time

import pytest

pytestmark = pytest.mark.anyio

CHECKOUT_DOWN = ("internal_error", "Checkout is temporarily unavailable. Please try again later.", "retry_later")
ALREADY_PRO = ("invalid_request", "Pro is already active.", "none")
PROCESSING = ("invalid_request", "A payment is already being processed.", "none")
SESSIONS = "/v1/checkout/sessions"


async def test_what_stripe_is_asked_for(world, user):
    answer = await world.open(user, "FAQ")
    assert answer.status == 200 and answer.body["reused"] is False
    assert answer.body["url"].startswith(world.sandbox)
    [request] = await world.requests("POST", SESSIONS, user)
    customer = world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user)[0][0]
    [attempt] = world.rows("SELECT id::text, expires_at FROM checkout_attempts WHERE user_id = %s", user)
    metadata = {
        "userId": user,
        "productKey": "pro_lifetime_v1",
        "planType": "one_time",
        "source": "faq",
        "attemptId": attempt[0],
    }
    params = request["params"]
    assert {**params, "expires_at": int(params["expires_at"])} == {
        "mode": "payment",
        "line_items": [{"price": "price_pro_lifetime", "quantity": params["line_items"][0]["quantity"]}],
        "customer": customer,
        "client_reference_id": user,
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "invoice_creation": params["invoice_creation"],
        "success_url": "http://atlas.example:8000/account?checkout=success&source=faq"
        "&checkout_session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://atlas.example:8000/account?checkout=cancel&source=faq",
        "expires_at": int(attempt[1].timestamp()),
    }
    assert str(params["line_items"][0]["quantity"]) == "1"
    assert str(params["invoice_creation"]["enabled"]).lower() == "true"
    assert request["idempotencyKey"] == f"atlas-checkout-{attempt[0]}"
    assert request["stripeVersion"] == "2026-10-28.endive"
    assert 22 * 3600 < int(params["expires_at"]) - time.time() < 24 * 3600
    [made] = await world.requests("POST", "/v1/customers", user)
    assert made["idempotencyKey"]


async def test_fifty_clicks_at_once_make_one_customer_and_one_session(world, user):
    answers = await asyncio.gather(*(world.open(user) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["url"] for answer in answers}) == 1
    assert len(await world.sessions(user)) == 1
    assert len(await world.requests("POST", "/v1/customers", user)) == 1


async def test_two_replicas_at_once_make_one_session_even_when_stripe_is_slow(world, user):
    await world.control("PUT", "/api", {"latency_ms": 700})
    answers = await asyncio.gather(*(world.open(user, at=at) for at in (world.checkout, world.replica) * 10))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["checkoutSessionId"] for answer in answers}) == 1
    assert len(await world.sessions(user)) == 1
    found = await world.stripe("get", "/v1/customers/search", query=f"metadata['userId']:'{user}'")
    assert len(found["data"]) == 1


async def test_the_open_session_is_given_again(world, user):
    first, again = await world.open(user), await world.open(user, "comparison", at=world.replica)
    assert again.body == {**first.body, "reused": True}


async def test_different_users_never_share_a_session(world, user):
    assert await world.opened(user) != await world.opened(f"{user}-other")


async def test_the_session_is_recorded_in_the_ledger_before_it_can_be_paid(world, user):
    session = await world.opened(user)
    await world.empty_outbox()
    applied = await world.ask(
        "POST",
        "/internal/applied",
        user,
        {"eventIds": [f"stripe:initiated:{session}:purchase_initiated"], "timeoutMs": 5000},
        at=world.entitlements,
        audience="entitlements",
        issuer="checkout",
    )
    assert applied.body == {"applied": True}


async def test_a_pro_user_is_not_sold_a_second_one(world, user):
    session = await world.opened(user)
    await world.pay(session)
    assert (await world.confirm(user, session)).body["outcome"] == "active"
    answer = await world.open(user)
    assert (answer.status, answer.error) == (400, ALREADY_PRO)
    assert len(await world.sessions(user)) == 1


async def test_paid_in_between_without_any_webhook_is_noticed_and_told_to_the_ledger(world, user):
    session = await world.opened(user)
    await world.pay(session)
    answer = await world.open(user)
    assert (answer.status, answer.error) == (400, ALREADY_PRO)
    assert (await world.entitlement(user))["isPro"] is True
    assert len(await world.sessions(user)) == 1


async def test_while_a_delayed_payment_is_under_way_nothing_is_sold(world, user):
    session = await world.opened(user)
    await world.pay(session, "processing")
    for _ in range(2):
        answer = await world.open(user)
        assert (answer.status, answer.error) == (400, PROCESSING)
    await world.control("POST", f"/checkout/{session}/settle", {"result": "succeeded"})
    assert (await world.open(user)).error == ALREADY_PRO
    assert (await world.entitlement(user))["isPro"] is True


async def test_after_a_delayed_payment_failed_one_may_buy_again(world, user):
    session = await world.opened(user)
    await world.pay(session, "processing")
    assert (await world.open(user)).status == 400
    await world.control("POST", f"/checkout/{session}/settle", {"result": "failed"})
    assert await world.opened(user) != session


async def test_after_a_full_refund_one_may_buy_again(world, user):
    session = await world.opened(user)
    await world.pay(session)
    await world.confirm(user, session)
    intent = (await world.session(session))["payment_intent"]
    await world.stripe("post", "/v1/refunds", payment_intent=intent)
    assert (await world.restore(user)).body["outcome"] == "not_eligible"
    assert await world.opened(user) != session


async def test_a_declined_card_leaves_the_same_session_open(world, user):
    session = await world.opened(user)
    await world.pay(session, "declined")
    assert await world.opened(user) == session


async def test_an_expired_session_is_replaced(world, user):
    session = await world.opened(user)
    await world.control("POST", f"/checkout/{session}/expire")
    assert await world.opened(user) != session


async def test_a_session_that_ends_soon_is_closed_and_replaced(world, user):
    session = await world.opened(user)
    # As if 22.5 hours had gone by.
    soon = int(time.time()) + 31 * 60
    _customer, params = world.rows("SELECT customer_id, parameters FROM checkout_attempts WHERE user_id = %s", user)[0]
    ending = await world.stripe("post", SESSIONS, **{**params, "expires_at": soon})
    await world.control("POST", f"/checkout/{session}/expire")
    world.change("UPDATE checkout_attempts SET checkout_session_id = %s WHERE user_id = %s", ending["id"], user)
    assert await world.opened(user) == ending["id"]
    world.change(
        "UPDATE checkout_attempts SET checkout_session_id = %s WHERE user_id = %s",
        (another := await world.stripe("post", SESSIONS, **{**params, "expires_at": int(time.time()) + 30 * 60 + 1}))["id"],
        user,
    )
    await asyncio.sleep(1.5)  # time itself is what is waited for
    replaced = await world.opened(user)
    assert replaced not in (ending["id"], another["id"])
    assert (await world.session(another["id"]))["status"] == "expired"


async def test_a_user_id_of_any_kind_can_buy(world):
    for odd in ("Zoë O'Neil\\", "a" * 255, "用户-1", "auth0|123:456"):
        session = await world.opened(odd)
        await world.pay(session)
        answer = await world.confirm(odd, session)
        assert answer.body["outcome"] == "active", odd
