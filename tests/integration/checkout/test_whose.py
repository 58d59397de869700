"""Who an id of Stripe's belongs to, whatever kind of id it is."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio

OPERATOR = {"issuer": "operator"}


async def whose(world, object_id) -> dict:
    answer = await world.ask("GET", f"/operator/whose?id={object_id}", **OPERATOR)
    assert answer.status == 200, answer
    return answer.body


async def test_every_kind_of_id_leads_to_the_buyer(world, user):
    await world.pay(await world.opened(user))
    [session] = await world.sessions(user)
    intent = await world.stripe("get", f"/v1/payment_intents/{session['payment_intent']}")
    refund = await world.stripe("post", "/v1/refunds", payment_intent=intent["id"], amount=100)
    dispute = await world.control("POST", "/disputes", {"payment_intent": intent["id"]})
    events = (await world.stripe("get", "/v1/events", limit=100))["data"]
    completed = [e["id"] for e in events if e["type"] == "checkout.session.completed" and e["data"]["object"]["id"] == session["id"]]
    refunded = [e["id"] for e in events if e["type"] == "charge.refunded" and e["data"]["object"]["id"] == intent["latest_charge"]]
    ids = [session["id"], intent["id"], intent["latest_charge"], refund["id"], dispute["id"], session["invoice"], *completed, *refunded]
    assert len([known for known in ids if known]) >= 7
    for object_id in filter(None, ids):
        assert await whose(world, object_id) == {
            "known": True, "userId": user, "checkoutSessionId": session["id"], "paymentIntentId": intent["id"],
        }, object_id  # fmt: skip
    customer = await whose(world, session["customer"])
    assert (customer["known"], customer["userId"]) == (True, user)


@pytest.mark.parametrize("object_id", ["pi_nobody", "cs_test_nobody", "evt_nobody", "cus_nobody", "in_nobody", "mia", "xx_1"])
async def test_what_stripe_does_not_know_is_unknown(world, object_id):
    assert (await whose(world, object_id))["known"] is False


async def test_a_session_of_nobody_is_known_and_nobodys(world):
    session = await world.stripe(
        "post", "/v1/checkout/sessions", mode="payment", success_url="http://127.0.0.1/",
        line_items=[{"price": "price_pro_lifetime", "quantity": 1}],
    )  # fmt: skip
    told = await whose(world, session["id"])
    assert (told["known"], told["userId"], told["checkoutSessionId"]) == (True, None, session["id"])


async def test_whoever_we_recorded_keeps_the_session_when_its_metadata_is_edited(world, user):
    session = await world.opened(user)
    await world.stripe("post", f"/v1/checkout/sessions/{session}", metadata={"userId": f"{user}-other"})
    assert (await whose(world, session))["userId"] == user


async def test_only_the_operator_may_ask_and_stripe_away_is_503(world, user):
    assert (await world.ask("GET", "/operator/whose?id=pi_1")).status == 403
    await world.control("PUT", "/api", {"fail_next": 1000, "status": 500})
    assert (await world.ask("GET", "/operator/whose?id=pi_1", **OPERATOR)).status == 503
