"""What checkout asks: a new price, further currencies, taxes and codes; the old session is closed first."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio

CHECKOUT_DOWN = ("internal_error", "Checkout is temporarily unavailable. Please try again later.", "retry_later")
ALREADY_PRO = ("invalid_request", "Pro is already active.", "none")
PROCESSING = ("invalid_request", "A payment is already being processed.", "none")
SESSIONS = "/v1/checkout/sessions"


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


async def price_in_two_currencies(world) -> str:
    product = await world.stripe("post", "/v1/products", name="Pro, here and there")
    price = await world.stripe(
        "post", "/v1/prices", product=product["id"], currency="usd", unit_amount=4900,
        currency_options={"eur": {"unit_amount": 4500}},
    )  # fmt: skip
    return str(price["id"])


async def test_the_page_that_sells_is_told_every_offer_and_nothing_of_a_price_that_is_not_for_sale(world):
    price = await price_in_two_currencies(world)
    with world.start_another("offers", STRIPE_PRICE_PRO_LIFETIME=price) as both:
        answer = await world.ask("GET", "/internal/price", "account-gateway", at=both)
        assert answer.body == {"offers": [{"amount": 4900, "currency": "usd"}, {"amount": 4500, "currency": "eur"}]}
        await world.stripe("post", f"/v1/prices/{price}", active="false")
        assert (await world.ask("GET", "/internal/price", "account-gateway", at=both)).body == {"offers": []}


async def test_while_stripe_is_away_the_price_is_unavailable_and_not_invented(world):
    await world.control("PUT", "/api", {"fail_next": 10, "status": 500})
    try:
        answer = await world.ask("GET", "/internal/price", "account-gateway")
    finally:
        await world.control("PUT", "/api", {})
    assert (answer.status, answer.error) == (503, CHECKOUT_DOWN)


async def test_what_the_price_asks_in_every_currency_is_recorded_with_the_session(world, user):
    offers = [{"amount": 4900, "currency": "usd"}, {"amount": 4500, "currency": "eur"}]
    with world.start_another("two-currencies", STRIPE_PRICE_PRO_LIFETIME=await price_in_two_currencies(world)) as both:
        session = await world.opened(user, at=both)
        assert await world.opened(user, at=both) == session
        [(amount, currency, kept)] = world.rows(
            "SELECT amount, currency, offers FROM checkout_attempts WHERE checkout_session_id = %s", session
        )
        assert (amount, currency, kept) == (4900, "usd", offers)
        fact = next(f for f in await world.billing_events() if f["data"]["refs"]["checkoutSessionId"] == session)
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
