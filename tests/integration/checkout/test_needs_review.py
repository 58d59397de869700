"""Money that came and may not grant: it is somebody's, and nobody reads that nothing was charged (CONTRACT 11)."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio

REVIEWED = (
    "invalid_request",
    "Your payment was received and is being reviewed. Please contact support.",
    "none",
)


async def price_in(world, currency: str, amount: int) -> str:
    product = await world.stripe("post", "/v1/products", name=f"Pro in {currency}")
    return str((await world.stripe("post", "/v1/prices", product=product["id"], currency=currency, unit_amount=amount))["id"])


async def refused_session(world, user: str, **changes) -> dict:
    """A paid session with our metadata that the policy refuses: in a currency that nobody agreed to."""
    await world.opened(user)
    params = world.rows("SELECT parameters FROM checkout_attempts WHERE user_id = %s", user)[0][0]
    items = [{"price": await price_in(world, "eur", 4400), "quantity": 1}]
    session = await world.stripe("post", "/v1/checkout/sessions", **{**params, "line_items": items, **changes})
    await world.pay(session["id"])
    return await world.session(session["id"])


async def told(world, user, session) -> tuple[str, str | None]:
    answer = await world.confirm(user, session["id"])
    assert answer.status == 200, answer
    return answer.body["outcome"], answer.body["reason"]


async def test_confirm_and_restore_say_that_somebody_must_look(world, user):
    session = await refused_session(world, user)
    assert await told(world, user, session) == ("needs_review", None)
    restored = (await world.restore(user)).body
    assert (restored["outcome"], restored["reason"]) == ("not_eligible", "needs_review")
    assert (await world.entitlement(user))["isPro"] is False


async def test_a_full_refund_ends_the_review(world, user):
    session = await refused_session(world, user)
    await world.stripe("post", "/v1/refunds", payment_intent=session["payment_intent"])
    assert await told(world, user, session) == ("not_paid", "refunded")
    restored = (await world.restore(user)).body
    assert (restored["outcome"], restored["reason"]) == ("not_eligible", "refunded")


async def test_a_lost_dispute_ends_the_review(world, user):
    session = await refused_session(world, user)
    opened = await world.control("POST", "/disputes", {"payment_intent": session["payment_intent"]})
    assert await told(world, user, session) == ("needs_review", None)
    await world.control("POST", f"/disputes/{opened['id']}", {"status": "lost"})
    assert await told(world, user, session) == ("not_paid", "chargeback_lost")


async def test_nothing_more_is_sold_while_a_payment_is_reviewed(world, user):
    session = await refused_session(world, user)
    world.change("UPDATE checkout_attempts SET checkout_session_id = %s WHERE user_id = %s", session["id"], user)
    for _ in range(2):
        answer = await world.open(user)
        assert (answer.status, answer.error) == (400, REVIEWED)
    await world.stripe("post", "/v1/refunds", payment_intent=session["payment_intent"])
    await world.restore(user)
    assert await world.opened(user) != session["id"]


async def test_a_payment_whose_metadata_was_edited_stays_its_recorded_users(world, user):
    session = await world.opened(user)
    await world.pay(session)
    await world.stripe("post", f"/v1/checkout/sessions/{session}", metadata={"userId": f"{user}-other"})
    assert (await world.confirm(f"{user}-other", session)).status == 404
    assert (await world.restore(f"{user}-other")).body["outcome"] == "not_found"
    assert (await world.confirm(user, session)).body["outcome"] in ("active", "needs_review")


async def test_audit_hears_the_policys_own_reason(world, user):
    session = await refused_session(world, user)
    answer = await world.ask("GET", f"/operator/provider-state?user={user}", issuer="operator")
    [line] = [line for line in answer.body["raw"].splitlines() if session["id"] in line]
    assert '"shouldGrant":false' in line and '"because":"other_currency"' in line and '"refused":"other_currency"' in line
    await told(world, user, session)
    verdicts = await world.ask(
        "POST", "/internal/payment-verdicts", user, {"checkoutSessionIds": [session["id"], "cs_test_unknown"]},
        at=world.entitlements, audience="entitlements", issuer="checkout",
    )  # fmt: skip
    assert verdicts.body == {
        "payments": [
            {"checkoutSessionId": session["id"], "grants": False, "because": "other_currency", "needsReview": True}
        ]
    }


async def test_a_free_checkout_is_called_what_it_is(world, user):
    coupon = await world.stripe("post", "/v1/coupons", percent_off=100, duration="once")
    await world.opened(user)
    params = world.rows("SELECT parameters FROM checkout_attempts WHERE user_id = %s", user)[0][0]
    session = await world.stripe("post", "/v1/checkout/sessions", **params, discounts=[{"coupon": coupon["id"]}])
    await world.pay(session["id"])
    assert (await world.session(session["id"]))["payment_status"] == "no_payment_required"
    assert await told(world, user, session) == ("not_paid", "free_checkout")
    restored = (await world.restore(user)).body
    assert (restored["outcome"], restored["reason"]) == ("not_eligible", "free_checkout")
