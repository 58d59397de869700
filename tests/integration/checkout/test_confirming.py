"""Confirm: the buyer is back; one session is read again, so that no webhook has to come."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.anyio

NOT_FOUND = ("not_found", "Checkout session not found.", "none")
CHECKOUT_DOWN = ("internal_error", "Checkout is temporarily unavailable. Please try again later.", "retry_later")


async def test_a_paid_session_makes_its_buyer_pro_at_once(world, user):
    session = await world.opened(user)
    await world.pay(session)
    answer = await world.confirm(user, session)
    assert answer.status == 200
    assert answer.body["outcome"] == "active"
    assert {**answer.body["entitlement"], "updatedAt": ""} == {
        "isPro": True, "status": "active", "source": "stripe", "updatedAt": "",
    }  # fmt: skip


async def test_confirming_at_both_replicas_at_once_is_harmless(world, user):
    session = await world.opened(user)
    await world.pay(session)
    answers = await asyncio.gather(*(world.confirm(user, session, at=at) for at in (world.checkout, world.replica) * 10))
    assert {(answer.status, answer.body["outcome"]) for answer in answers} == {(200, "active")}
    assert (await world.entitlement(user))["version"] == 1


async def test_a_delayed_payment_is_processing(world, user):
    session = await world.opened(user)
    await world.pay(session, "processing")
    assert (await world.confirm(user, session)).body["outcome"] == "processing"
    await world.control("POST", f"/checkout/{session}/settle", {"result": "failed"})
    assert (await world.confirm(user, session)).body["outcome"] == "not_paid"


async def test_an_open_and_an_expired_session_are_not_paid(world, user):
    session = await world.opened(user)
    assert (await world.confirm(user, session)).body["outcome"] == "not_paid"
    await world.control("POST", f"/checkout/{session}/expire")
    assert (await world.confirm(user, session)).body["outcome"] == "not_paid"
    assert (await world.entitlement(user))["status"] == "none"


async def test_a_refunded_session_does_not_confirm(world, user):
    session = await world.opened(user)
    await world.pay(session)
    await world.stripe("post", "/v1/refunds", payment_intent=(await world.session(session))["payment_intent"])
    assert (await world.confirm(user, session)).body["outcome"] == "not_paid"
    assert (await world.entitlement(user))["status"] == "revoked"


async def test_a_refund_that_bounced_unheard_is_found(world, user):
    session = await world.opened(user)
    await world.pay(session)
    refund = await world.stripe("post", "/v1/refunds", payment_intent=(await world.session(session))["payment_intent"])
    assert (await world.confirm(user, session)).body["outcome"] == "not_paid"
    await world.later()
    await world.control("POST", f"/refunds/{refund['id']}/fail")
    assert (await world.confirm(user, session)).body["outcome"] == "active"


async def test_a_session_lost_in_dispute_does_not_confirm(world, user):
    session = await world.opened(user)
    await world.pay(session)
    intent = (await world.session(session))["payment_intent"]
    opened = await world.control("POST", "/disputes", {"payment_intent": intent})
    await world.control("POST", f"/disputes/{opened['id']}", {"status": "lost"})
    assert (await world.confirm(user, session)).body["outcome"] == "not_paid"


async def test_the_session_of_another_user_is_not_found_and_changes_nothing(world, user):
    session = await world.opened(user)
    await world.pay(session)
    thief = f"{user}-thief"
    answer = await world.confirm(thief, session)
    assert (answer.status, answer.error) == (404, NOT_FOUND)
    assert (await world.entitlement(thief))["status"] == "none"
    assert (await world.entitlement(user))["status"] == "none"


async def test_an_unrecorded_session_is_found_by_its_metadata_and_by_nothing_else(world, user):
    session = await world.opened(user)
    await world.pay(session)
    world.change("DELETE FROM checkout_attempts WHERE user_id = %s", user)
    assert (await world.confirm(f"{user}-thief", session)).status == 404
    assert (await world.confirm(user, session)).body["outcome"] == "active"


async def test_a_payment_links_session_with_our_reference_is_nobodys(world, user):
    paid = await world.control("POST", "/payment_links/pay", {"client_reference_id": user})
    answer = await world.confirm(user, paid["id"])
    assert (answer.status, answer.error) == (404, NOT_FOUND)


async def test_an_unknown_session_is_not_found(world, user):
    answer = await world.confirm(user, "cs_test_nothing")
    assert (answer.status, answer.error) == (404, NOT_FOUND)


@pytest.mark.parametrize("body", [{}, {"checkoutSessionId": "pi_1"}, {"checkoutSessionId": "cs_../x"}, {"checkoutSessionId": 1}, "x"])
async def test_a_bad_confirmation_is_refused(world, user, body):
    answer = await world.ask("POST", "/internal/confirm", user, body)
    assert (answer.status, answer.error) == (
        400,
        ("invalid_request", "Invalid checkout confirmation.", "update_input"),
    )


@pytest.mark.parametrize(("status", "retry_after"), [(500, False), (429, True), (400, False)])
async def test_a_failing_stripe_is_unavailable(world, user, status, retry_after):
    session = await world.opened(user)
    await world.pay(session)
    await world.control("PUT", "/api", {"fail_next": 1000, "status": status})
    answer = await world.confirm(user, session)
    assert (answer.status, answer.error) == (503, CHECKOUT_DOWN)
    assert ("retry-after" in answer.headers) is retry_after
