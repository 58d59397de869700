"""One open session per user and price, whatever the concurrency; never a second sale."""

from __future__ import annotations

import asyncio
import json
import time

import nats
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
    await eventually_empty_outbox(world)
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


async def another_price(world) -> str:
    product = await world.stripe("post", "/v1/products", name="Pro, dearer")
    price = await world.stripe("post", "/v1/prices", product=product["id"], currency="usd", unit_amount=7900)
    return str(price["id"])


async def test_at_a_new_price_the_old_session_is_closed_first(world, user):
    old = await world.opened(user)
    with world.start_another("dearer", STRIPE_PRICE_PRO_LIFETIME=await another_price(world)) as dearer:
        new = await world.opened(user, at=dearer)
        assert new != old
        assert (await world.session(old))["status"] == "expired"
        assert (await world.session(new))["amount_total"] == 7900


async def test_at_a_new_price_a_payment_of_the_old_session_still_counts(world, user):
    old = await world.opened(user)
    await world.pay(old)
    with world.start_another("dearer", STRIPE_PRICE_PRO_LIFETIME=await another_price(world)) as dearer:
        answer = await world.open(user, at=dearer)
    assert (answer.status, answer.error) == (400, ALREADY_PRO)
    assert (await world.entitlement(user))["isPro"] is True
    assert len(await world.sessions(user)) == 1


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


async def test_without_the_database_nothing_is_sold(world, user):
    away = "postgresql://nobody:nothing@127.0.0.1:9/none"
    with world.start_another("no-database", ready="/healthz", DATABASE_URL=away) as cut_off:
        answer = await world.open(user, at=cut_off)
        assert (await world.ask("GET", "/readyz", at=cut_off)).body["failing"] == ["database"]
    assert (answer.status, answer.error) == (503, CHECKOUT_DOWN)


async def test_without_the_broker_one_can_still_buy_and_the_ledger_hears_of_it_later(world, user):
    with world.start_another("no-broker-buy", ready="/healthz", NATS_URL="nats://127.0.0.1:9") as cut_off:
        assert await world.opened(user, at=cut_off)


async def test_a_user_id_of_any_kind_can_buy(world):
    for odd in ("Zoë O'Neil\\", "a" * 255, "用户-1", "auth0|123:456"):
        session = await world.opened(odd)
        await world.pay(session)
        answer = await world.confirm(odd, session)
        assert answer.body["outcome"] == "active", odd


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


async def price_in_two_currencies(world) -> str:
    product = await world.stripe("post", "/v1/products", name="Pro, here and there")
    price = await world.stripe(
        "post", "/v1/prices", product=product["id"], currency="usd", unit_amount=4900,
        currency_options={"eur": {"unit_amount": 4500}},
    )  # fmt: skip
    return str(price["id"])


async def test_what_the_price_asks_in_every_currency_is_recorded_with_the_session(world, user):
    offers = [{"amount": 4900, "currency": "usd"}, {"amount": 4500, "currency": "eur"}]
    with world.start_another("two-currencies", STRIPE_PRICE_PRO_LIFETIME=await price_in_two_currencies(world)) as both:
        session = await world.opened(user, at=both)
        assert await world.opened(user, at=both) == session
        [(amount, currency, kept)] = world.rows(
            "SELECT amount, currency, offers FROM checkout_attempts WHERE checkout_session_id = %s", session
        )
        assert (amount, currency, kept) == (4900, "usd", offers)
        fact = next(f for f in await billing_events(world) if f["data"]["refs"]["checkoutSessionId"] == session)
    assert fact["data"]["recordedSession"]["offers"] == offers


async def test_a_session_paid_in_another_of_its_prices_currencies_is_pro(world, user):
    """Case 2: recorded at 4900 usd, paid at 4500 eur."""
    with world.start_another("paid-in-eur", STRIPE_PRICE_PRO_LIFETIME=await price_in_two_currencies(world)) as both:
        session = await world.opened(user, at=both)
        await world.control("POST", f"/checkout/{session}/pay", {"outcome": "paid", "currency": "eur"})
        paid = await world.session(session)
        assert (paid["currency"], paid["amount_total"]) == ("eur", 4500)
        assert (await world.confirm(user, session, at=both)).body["outcome"] == "active"
        [line] = (await world.ask("GET", f"/operator/provider-state?user={user}", issuer="operator", at=both)).body[
            "raw"
        ].splitlines()[:-1]
    assert '"shouldGrant":true' in line and '"refused":null' in line


async def test_at_a_further_currency_the_old_session_is_closed_first(world, user):
    price = await price_in_two_currencies(world)
    with world.start_another("more-currencies", STRIPE_PRICE_PRO_LIFETIME=price) as both:
        old = await world.opened(user, at=both)
        await world.stripe("post", f"/v1/prices/{price}", currency_options={"gbp": {"unit_amount": 3900}})
        new = await world.opened(user, at=both)
    assert new != old and (await world.session(old))["status"] == "expired"


async def test_a_session_of_the_time_before_offers_goes_on_where_the_price_has_one_currency(world, user):
    session = await world.opened(user)
    world.change("UPDATE checkout_attempts SET offers = NULL WHERE user_id = %s", user)
    assert await world.opened(user) == session


async def test_taxes_ids_and_codes_are_asked_for_when_the_operator_wants_them(world, user):
    old = await world.opened(user)
    options = dict.fromkeys(("STRIPE_AUTOMATIC_TAX", "STRIPE_TAX_ID_COLLECTION", "STRIPE_ALLOW_PROMOTION_CODES"), "true")
    with world.start_another("options", **options) as taxed:
        new = await world.opened(user, at=taxed)
        assert await world.opened(user, at=taxed) == new
    assert new != old and (await world.session(old))["status"] == "expired"
    asked = [row["params"] for row in await world.requests("POST", SESSIONS, user)]
    names = ("automatic_tax", "tax_id_collection", "allow_promotion_codes", "customer_update")
    assert not any(name in asked[0] for name in names)
    assert all(name in asked[1] for name in names)
    assert asked[1]["customer_update"] == {"address": "auto", "name": "auto"}


async def billing_events(world) -> list[dict]:
    await eventually_empty_outbox(world)
    connection = await nats.connect(world.nats)
    try:
        jetstream = connection.jetstream()
        last = (await jetstream.stream_info("BILLING")).state.last_seq
        return [json.loads((await jetstream.get_msg("BILLING", seq)).data) for seq in range(1, last + 1)]
    finally:
        await connection.close()


async def eventually_empty_outbox(world) -> None:
    deadline = time.monotonic() + 10
    while world.rows("SELECT count(*) FROM outbox")[0][0]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
