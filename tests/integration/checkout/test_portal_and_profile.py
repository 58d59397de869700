"""The billing portal is for those who have a customer at Stripe."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.anyio

NO_HISTORY = ("not_found", "No Stripe billing history was found for this account yet.", "none")
PORTAL_DOWN = ("internal_error", "Billing portal is temporarily unavailable. Please try again later.", "retry_later")
CONFIGURATIONS = "/v1/billing_portal/configurations"


async def portal(world, user, **where):
    return await world.ask("POST", "/internal/portal-sessions", user, **where)


async def can_manage(world, user) -> bool:
    return (await world.ask("GET", "/internal/billing-profile", user)).body["canManageBilling"]


async def test_who_never_came_near_a_purchase_has_no_portal(world, user):
    answer = await portal(world, user)
    assert (answer.status, answer.error) == (404, NO_HISTORY)
    assert await can_manage(world, user) is False
    assert await world.requests("POST", "/v1/customers", user) == []


async def test_a_buyer_gets_the_portal_of_their_own_customer(world, user):
    await world.opened(user)
    answer = await portal(world, user)
    assert answer.status == 200 and answer.body["url"].startswith(world.sandbox)
    asked = (await world.requests("POST", "/v1/billing_portal/sessions"))[-1]["params"]
    customer = world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user)[0][0]
    assert (asked["customer"], asked["return_url"]) == (customer, "http://atlas.example:8000/account")
    assert asked["configuration"].startswith("bpc_")
    assert await can_manage(world, user) is True


async def test_the_configuration_is_made_once_with_invoices_and_without_subscriptions(world, user):
    world.change("DELETE FROM portal_configurations")
    await world.opened(user)
    answers = await asyncio.gather(*(portal(world, user, at=at) for at in (world.checkout, world.replica) * 5))
    assert {answer.status for answer in answers} == {200}
    made = {row["idempotencyKey"] for row in await world.requests("POST", CONFIGURATIONS)}
    assert len(made) == 1
    asked = (await world.requests("POST", CONFIGURATIONS))[0]["params"]["features"]
    enabled = {name: str(feature["enabled"]).lower() for name, feature in asked.items()}
    assert enabled == {
        "invoice_history": "true",
        "customer_update": "true",
        "payment_method_update": "false",
        "subscription_cancel": "false",
        "subscription_update": "false",
    }


async def test_a_configured_configuration_is_used_as_it_is(world, user):
    configured = await world.stripe("post", CONFIGURATIONS, features={"invoice_history": {"enabled": True}})
    await world.opened(user)
    with world.start_another("configured", STRIPE_BILLING_PORTAL_CONFIGURATION_ID=configured["id"]) as checkout:
        assert (await portal(world, user, at=checkout)).status == 200
    assert (await world.requests("POST", "/v1/billing_portal/sessions"))[-1]["params"]["configuration"] == configured["id"]


async def test_a_configuration_that_is_gone_is_made_anew(world, user):
    await world.opened(user)
    assert (await portal(world, user)).status == 200
    world.change("UPDATE portal_configurations SET configuration_id = 'bpc_gone'")
    assert (await portal(world, user)).status == 200


async def test_a_customer_deleted_at_stripe_has_no_portal_any_more(world, user):
    await world.opened(user)
    customer = world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user)[0][0]
    await world.stripe("delete", f"/v1/customers/{customer}")
    answer = await portal(world, user)
    assert (answer.status, answer.error) == (404, NO_HISTORY)
    assert await can_manage(world, user) is False


@pytest.mark.parametrize(("status", "retry_after"), [(500, False), (429, True), (400, False)])
async def test_a_failing_stripe_is_unavailable(world, user, status, retry_after):
    await world.opened(user)
    await world.control("PUT", "/api", {"fail_next": 1000, "status": status})
    answer = await portal(world, user)
    assert (answer.status, answer.error) == (503, PORTAL_DOWN)
    assert ("retry-after" in answer.headers) is retry_after


async def known_only_to_the_ledger(world, user) -> str:
    """A Pro buyer whose customer this service has forgotten, and whose metadata doesn't name the user either."""
    session = await world.opened(user)
    await world.pay(session)
    assert (await world.confirm(user, session)).body["outcome"] == "active"
    customer = world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user)[0][0]
    world.change("DELETE FROM customers WHERE user_id = %s", user)
    await world.stripe("post", f"/v1/customers/{customer}", metadata={"userId": ""})
    return str(customer)


async def test_a_customer_that_only_the_ledger_knows_has_a_portal(world, user):
    customer = await known_only_to_the_ledger(world, user)
    assert await can_manage(world, user) is True
    world.change("DELETE FROM customers WHERE user_id = %s", user)
    assert (await portal(world, user)).status == 200
    assert (await world.requests("POST", "/v1/billing_portal/sessions"))[-1]["params"]["customer"] == customer
    assert world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user) == [(customer,)]


async def test_the_ledgers_customer_of_another_user_is_not_shown(world, user):
    customer = await known_only_to_the_ledger(world, user)
    await world.stripe("post", f"/v1/customers/{customer}", metadata={"userId": "somebody else"})
    answer = await portal(world, user)
    assert (answer.status, answer.error) == (404, NO_HISTORY)


async def test_a_customer_that_only_its_metadata_names_has_a_portal(world, user):
    customer = (await world.stripe("post", "/v1/customers", metadata={"userId": user}))["id"]
    assert await can_manage(world, user) is True
    assert world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user) == [(customer,)]


async def test_a_buyers_customer_that_was_deleted_is_replaced(world, user):
    session = await world.opened(user)
    await world.pay(session)
    await world.confirm(user, session)
    customer = (await world.session(session))["customer"]
    await world.stripe("delete", f"/v1/customers/{customer}")
    assert (await portal(world, user)).status == 200
    assert world.rows("SELECT customer_id FROM customers WHERE user_id = %s", user)[0][0] != customer


async def test_while_stripe_is_away_the_page_still_gets_its_answer(world, user):
    await world.control("PUT", "/api", {"latency_ms": 10_000})
    assert await can_manage(world, user) is False
