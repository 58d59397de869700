"""The same contract with the real services behind the gateway: a whole stack, the sandbox as Stripe."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from support.buyer import Buyer
from support.stack import Stack, eventually, running_stack

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")
CHECKOUT, PORTAL = "/api/billing/stripe/checkout", "/api/billing/stripe/portal"
NOBODY = {"isPro": False, "status": "none", "source": None, "restoredAt": None, "updatedAt": None}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running


@pytest.fixture
def buyer(stack: Stack) -> Iterator[Buyer]:
    someone = Buyer(stack)
    yield someone
    someone.browser.close()


def error(response: httpx.Response) -> tuple[int, str, str, str]:
    body = response.json()
    assert body["ok"] is False and set(body) == {"ok", "error"}
    return response.status_code, body["error"]["code"], body["error"]["message"], body["error"]["recovery"]


def test_a_user_without_any_purchase_has_nothing(buyer: Buyer) -> None:
    assert buyer.entitlement() == NOBODY
    assert buyer.get("/api/billing/overview") == {"entitlement": NOBODY, "payment": None, "canManageBilling": False}
    no_history = (404, "not_found", "No Stripe billing history was found for this account yet.", "none")
    assert error(buyer.browser.get(PORTAL)) == no_history
    assert error(buyer.browser.post(PORTAL)) == no_history
    restored = buyer.post("/api/pro/restore", {"trigger": "account"})
    assert restored["outcome"] == "not_found"
    assert "reason" not in restored
    assert restored["entitlement"] == {"isPro": False, "status": "none", "source": None, "updatedAt": None}


def test_a_purchase_as_the_web_client_sees_it(buyer: Buyer) -> None:
    to_page = buyer.browser.get(f"{CHECKOUT}?source=FAQ", headers={"accept": "text/html"})
    assert to_page.status_code == 303
    session_id = buyer.open_checkout()
    assert session_id in to_page.headers["location"], "an open session is used again"
    confirmed = buyer.post("/api/billing/stripe/confirm", {"checkoutSessionId": session_id})
    assert confirmed["outcome"] == "not_paid"
    buyer.pay(session_id)
    eventually(buyer.is_pro)
    entitlement = buyer.entitlement()
    assert list(entitlement) == ["isPro", "status", "source", "restoredAt", "updatedAt"]
    assert (entitlement["isPro"], entitlement["status"], entitlement["source"]) == (True, "active", "stripe")
    assert INSTANT.fullmatch(entitlement["restoredAt"]) and INSTANT.fullmatch(entitlement["updatedAt"])
    summary = {name: entitlement[name] for name in ("isPro", "status", "source", "updatedAt")}
    confirmed = buyer.post("/api/billing/stripe/confirm", {"checkoutSessionId": session_id})
    assert confirmed == {"outcome": "active", "entitlement": summary}
    assert buyer.post("/api/pro/restore", {"trigger": "account"}) == {"outcome": "already_active", "entitlement": summary}
    overview = buyer.get("/api/billing/overview")
    assert overview == {"entitlement": entitlement, "payment": None, "canManageBilling": True}
    already = (400, "invalid_request", "Pro is already active.", "none")
    assert error(buyer.browser.get(CHECKOUT)) == already
    assert error(buyer.browser.post(CHECKOUT, json={})) == already
    sent_back = buyer.browser.get(CHECKOUT, headers={"accept": "text/html"})
    assert (sent_back.status_code, sent_back.headers["location"]) == (303, "/account?billing_error=invalid_request")
    portal = buyer.browser.get(PORTAL)
    assert portal.status_code == 303
    assert urlsplit(portal.headers["location"]).scheme == "http"


def test_a_refund_is_told_by_restore_and_keeps_source_and_start(buyer: Buyer) -> None:
    session_id = buyer.buy()
    before = buyer.entitlement()
    buyer.refund(session_id)
    eventually(lambda: not buyer.is_pro())
    after = buyer.entitlement()
    assert after == before | {"isPro": False, "status": "revoked", "updatedAt": after["updatedAt"]}
    restored = buyer.post("/api/pro/restore", {"trigger": "account"})
    assert (restored["outcome"], restored["reason"]) == ("not_eligible", "refunded")


def test_somebody_elses_session_and_an_unknown_one_are_not_found(stack: Stack, buyer: Buyer) -> None:
    owner = Buyer(stack)
    session_id = owner.open_checkout()
    not_found = (404, "not_found", "Checkout session not found.", "none")
    for foreign in (session_id, "cs_test_unknown"):
        answer = buyer.browser.post("/api/billing/stripe/confirm", json={"checkoutSessionId": foreign})
        assert error(answer) == not_found
    owner.browser.close()


def test_of_50_clicks_at_once_10_lead_to_one_session_and_40_are_too_many(buyer: Buyer) -> None:
    assert buyer.entitlement() == NOBODY
    with ThreadPoolExecutor(25) as clicks:
        answers = list(clicks.map(lambda _: buyer.browser.post(CHECKOUT), range(50)))
    urls = [answer.json()["data"]["url"] for answer in answers if answer.status_code == 200]
    assert len(urls) == 10
    assert len(set(urls)) == 1
    assert sum(answer.status_code == 429 for answer in answers) == 40


def test_the_stream_tells_a_purchase_within_a_second(buyer: Buyer) -> None:
    session_id = buyer.open_checkout()
    told: list[tuple[float, dict]] = []

    def listen() -> None:
        with buyer.browser.stream("GET", "/api/pro/entitlement/stream") as response:
            for line in response.iter_lines():
                if line.startswith("data: "):
                    told.append((time.monotonic(), json.loads(line.removeprefix("data: "))))
                    if told[-1][1]["isPro"]:
                        return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    eventually(lambda: told)
    assert told[0][1] == NOBODY
    buyer.pay(session_id)
    listener.join(20)
    assert told[-1][1]["isPro"]
    eventually(buyer.is_pro)
    assert told[-1][1] == buyer.entitlement()


def test_stripe_being_down_is_503_in_each_routes_words(stack: Stack, buyer: Buyer) -> None:
    session_id = buyer.buy()
    other = Buyer(stack)
    other.entitlement()
    buyer.sandbox("PUT", "/_sandbox/api", {"fail_next": 1000, "status": 503})
    try:
        later = "is temporarily unavailable. Please try again later."
        for answer, name in [
            (other.browser.post(CHECKOUT, json={}), "Checkout"),
            (other.browser.get(CHECKOUT), "Checkout"),
            (buyer.browser.get(PORTAL), "Billing portal"),
            (buyer.browser.post("/api/billing/stripe/confirm", json={"checkoutSessionId": session_id}), "Checkout"),
        ]:
            assert error(answer) == (503, "internal_error", f"{name} {later}", "retry_later")
        assert buyer.is_pro(), "Stripe's outage locks nobody out"
    finally:
        buyer.sandbox("PUT", "/_sandbox/api", {"fail_next": 0})
        other.browser.close()
