"""The life of a purchase, through the public API alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx

from support.buyer import Buyer, explain, new_user
from support.stack import Stack, eventually

PURCHASES_AT_ONCE = 200


def test_a_buyer_pays_once_and_is_pro_everywhere(buyer: Buyer) -> None:
    assert buyer.entitlement() == {
        "isPro": False, "status": "none", "source": None, "restoredAt": None, "updatedAt": None,
    }  # fmt: skip

    session_id = buyer.open_checkout()
    assert not buyer.is_pro(), "an open session is no purchase"
    buyer.pay(session_id)

    entitlement = eventually(lambda: (e := buyer.entitlement())["isPro"] and e, what="Pro")
    assert (entitlement["status"], entitlement["source"]) == ("active", "stripe")
    started = datetime.fromisoformat(entitlement["restoredAt"])
    assert abs(datetime.now(UTC) - started) < timedelta(minutes=1)


def test_the_session_carries_user_and_product_for_the_webhook_and_for_the_charge(buyer: Buyer) -> None:
    session = buyer.stripe.v1.checkout.sessions.retrieve(
        buyer.buy(), {"expand": ["payment_intent.latest_charge", "invoice"]}
    )

    assert session.metadata["userId"] == buyer.user
    assert session.metadata["productKey"] == "pro_lifetime_v1"
    assert session.client_reference_id == buyer.user
    assert session.payment_intent.metadata["userId"] == buyer.user
    assert session.payment_intent.latest_charge.metadata["userId"] == buyer.user
    assert session.invoice.status == "paid"


def test_who_is_pro_cannot_buy_again(buyer: Buyer) -> None:
    buyer.buy()

    again = buyer.browser.post("/api/billing/stripe/checkout", json={})

    assert again.status_code == 400
    assert again.json()["error"] == {
        "code": "invalid_request", "message": "Pro is already active.", "recovery": "none",
    }  # fmt: skip


def test_a_partial_refund_keeps_and_the_rest_revokes(buyer: Buyer) -> None:
    session_id = buyer.buy()

    buyer.refund(session_id, 1900)
    eventually(lambda: len(explain(buyer.stack, buyer.user)["payments"][0]["facts"]) >= 4, what="the refund is known")
    assert buyer.is_pro()

    buyer.refund(session_id)
    eventually(lambda: buyer.entitlement()["status"] == "revoked", what="revoked")


def test_a_delayed_payment_grants_when_the_money_comes(buyer: Buyer) -> None:
    session_id = buyer.open_checkout()
    buyer.pay(session_id, "processing")

    eventually(
        lambda: (buyer.get("/api/billing/overview")["payment"] or {}).get("state") == "processing", what="processing"
    )
    assert not buyer.is_pro()

    buyer.sandbox("POST", f"/_sandbox/checkout/{session_id}/settle", {"result": "succeeded"})
    eventually(buyer.is_pro, what="Pro")
    assert buyer.get("/api/billing/overview")["payment"] is None


def test_a_delayed_payment_that_fails_never_grants(buyer: Buyer) -> None:
    session_id = buyer.open_checkout()
    buyer.pay(session_id, "processing")
    buyer.sandbox("POST", f"/_sandbox/checkout/{session_id}/settle", {"result": "failed"})

    eventually(lambda: (buyer.get("/api/billing/overview")["payment"] or {}).get("state") == "failed", what="failed")
    assert buyer.entitlement()["status"] == "none"


def test_without_any_webhook_the_return_from_checkout_makes_the_buyer_pro(stack: Stack) -> None:
    buyer = Buyer(stack)
    session_id = buyer.open_checkout()
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "drop"})
    try:
        buyer.pay(session_id)
        confirmed = buyer.post("/api/billing/stripe/confirm", {"checkoutSessionId": session_id})
    finally:
        buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "normal"})

    assert confirmed["outcome"] == "active"
    assert buyer.is_pro()


def test_restore_repairs_a_lost_webhook_and_never_a_refund(stack: Stack) -> None:
    buyer = Buyer(stack)
    session_id = buyer.open_checkout()
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "drop"})
    try:
        buyer.pay(session_id)
        assert buyer.post("/api/pro/restore", {"trigger": "account"})["outcome"] == "restored"
        buyer.refund(session_id)
        refused = buyer.post("/api/pro/restore", {"trigger": "account"})
    finally:
        buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "normal"})

    assert (refused["outcome"], refused["reason"]) == ("not_eligible", "refunded")
    assert not buyer.is_pro()


def test_a_pull_finds_what_no_webhook_told(stack: Stack) -> None:
    buyer = Buyer(stack)
    session_id = buyer.open_checkout()
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "drop"})
    try:
        buyer.pay(session_id)
        pulled = stack.atlas("pull", "--since", "1h")
    finally:
        buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "normal"})

    assert pulled.returncode == 0, pulled.stdout + pulled.stderr
    eventually(buyer.is_pro, what="Pro by the pull alone")


def test_two_hundred_purchases_at_once_end_entitled_each_once(stack: Stack) -> None:
    buyers = [Buyer(stack, new_user("crowd")) for _ in range(PURCHASES_AT_ONCE)]
    with ThreadPoolExecutor(16) as pool:
        sessions = list(pool.map(lambda buyer: buyer.open_checkout(), buyers))
        list(pool.map(lambda pair: pair[0].pay(pair[1]), zip(buyers, sessions, strict=True)))
        eventually(lambda: all(pool.map(lambda buyer: buyer.is_pro(), buyers)), 60, what="all are Pro")
        versions = list(pool.map(lambda b: explain(stack, b.user)["verdict"]["version"], buyers[:5]))

    assert len(set(sessions)) == PURCHASES_AT_ONCE
    assert set(versions) == {1}, "granted once, changed never after"


def test_fifty_clicks_at_once_make_one_session(stack: Stack) -> None:
    buyer = Buyer(stack)
    assert buyer.browser, "signed in first"
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: buyer.browser.post("/api/billing/stripe/checkout", json={}), range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["data"]["url"] for answer in answers}) == 1
    made = [r for r in buyer.sandbox("GET", "/_sandbox/requests")["data"] if _makes_session_for(r, buyer.user)]
    assert len({request["idempotencyKey"] for request in made}) == 1


def test_a_link_prefetch_makes_nothing(buyer: Buyer) -> None:
    prefetch = buyer.browser.get("/api/billing/stripe/checkout", headers={"sec-purpose": "prefetch"})

    assert prefetch.status_code == 403
    assert not [r for r in buyer.sandbox("GET", "/_sandbox/requests")["data"] if _makes_session_for(r, buyer.user)]


def _makes_session_for(request: dict, user: str) -> bool:
    is_create = (request["method"], request["path"]) == ("POST", "/v1/checkout/sessions")
    return is_create and request["params"].get("client_reference_id") == user


def test_signed_out_nothing_is_told(stack: Stack) -> None:
    answer = httpx.get(stack.url("account-gateway") + "/api/pro/entitlement")

    assert answer.status_code == 401
    assert answer.json() == {
        "ok": False, "error": {"code": "unauthorized", "message": "Not authenticated.", "recovery": "reauth"},
    }  # fmt: skip
