"""The account page after the purchase: refunds, restore, billing portal, and everything that can go wrong there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Route, expect

from support.buyer import Buyer
from support.shopper import Shopper
from support.stack import Stack, eventually

RESTORE = "Restore purchase"


@pytest.fixture
def dropped(stack: Stack) -> Iterator[None]:
    """No webhook arrives, so that only a restore can find what happened."""
    control(stack, "PUT", "/delivery", {"mode": "drop"})
    yield
    control(stack, "PUT", "/delivery", {"mode": "normal"})


def control(stack: Stack, method: str, path: str, body: dict[str, object] | None = None) -> None:
    assert httpx.request(method, f"{stack.url('sandbox')}/_sandbox{path}", json=body or {}).is_success


def buyer_of(shopper: Shopper) -> Buyer:
    """The same user through the API: what the test does behind the page's back."""
    return Buyer(shopper.stack, shopper.user)


def test_a_full_refund_takes_pro_away_before_ones_eyes(shopper: Shopper) -> None:
    buyer = buyer_of(shopper)
    session = buyer.buy()
    shopper.open("/account").sees_badge("Pro active")

    buyer.refund(session)

    shopper.sees_badge("Preview")
    shopper.sees_toast("Pro is no longer active on your account.")
    expect(shopper.page.get_by_text("Pro has ended on this account.")).to_be_visible()


def test_restore_finds_a_purchase_whose_webhook_was_lost(shopper: Shopper, dropped: None) -> None:
    buyer = buyer_of(shopper)
    buyer.pay(buyer.open_checkout())
    shopper.open("/account").sees_badge("Preview")

    shopper.page.get_by_role("button", name=RESTORE).click()

    shopper.sees_toast("Purchase restored. Pro access is now active.")
    shopper.sees_badge("Pro active")
    expect(shopper.page.get_by_role("status")).to_have_count(1)


def test_restore_of_what_is_there_says_so(shopper: Shopper) -> None:
    buyer_of(shopper).buy()
    shopper.open("/account").page.get_by_role("button", name=RESTORE).click()

    shopper.sees_toast("Pro is already active on this account.")


def test_restore_without_a_purchase_says_so(shopper: Shopper) -> None:
    shopper.open("/account").page.get_by_role("button", name=RESTORE).click()

    shopper.sees_toast("No completed web purchase was found for this account.")


def test_restore_of_a_refunded_purchase_says_why_not(shopper: Shopper) -> None:
    buyer = buyer_of(shopper)
    buyer.refund(buyer.buy())
    eventually(lambda: not buyer.is_pro(), what="revoked")
    shopper.open("/account").page.get_by_role("button", name=RESTORE).click()

    shopper.sees_toast("Your purchase was refunded, so it can't be restored.")


def test_restore_of_a_lost_dispute_says_why_not(shopper: Shopper) -> None:
    buyer = buyer_of(shopper)
    intent = buyer.payment_intent(buyer.buy())
    dispute = buyer.sandbox("POST", "/_sandbox/disputes", {"payment_intent": intent})
    buyer.sandbox("POST", f"/_sandbox/disputes/{dispute['id']}", {"status": "lost"})
    eventually(lambda: not buyer.is_pro(), what="revoked")
    shopper.open("/account").page.get_by_role("button", name=RESTORE).click()

    shopper.sees_toast("Your bank took this payment back, so the purchase can't be restored.")


def test_restore_of_a_pending_payment_says_to_wait(shopper: Shopper) -> None:
    buyer = buyer_of(shopper)
    buyer.pay(buyer.open_checkout(), "processing")
    shopper.open("/account").page.get_by_role("button", name=RESTORE).click()

    shopper.sees_toast("Your payment is still processing. Pro starts by itself when it settles.")


def test_restore_is_busy_once_however_often_it_is_clicked(shopper: Shopper) -> None:
    asked: list[str] = []

    def late(route: Route) -> None:
        asked.append(route.request.url)
        shopper.page.wait_for_timeout(300)
        route.continue_()

    shopper.open("/account").page.route("**/api/pro/restore", late)
    button = shopper.page.get_by_role("button", name=RESTORE)

    button.dblclick()

    busy = shopper.page.get_by_role("button", name="Restoring purchase...")
    expect(busy).to_be_visible()
    expect(busy).to_be_focused()
    shopper.sees_toast("No completed web purchase was found for this account.")
    expect(button).to_be_enabled()
    assert len(asked) == 1


def test_restore_while_stripe_is_away_says_so_with_a_hint(shopper: Shopper) -> None:
    buyer_of(shopper).open_checkout()  # a customer at Stripe: there is something to ask about
    shopper.open("/account")
    control(shopper.stack, "PUT", "/api", {"fail_next": 1000, "status": 503})
    try:
        shopper.page.get_by_role("button", name=RESTORE).click()
        toast = shopper.sees_toast("Restore is temporarily unavailable. Please try again later.", "alert", 30)
        expect(toast).to_contain_text("Try again shortly.")
    finally:
        control(shopper.stack, "PUT", "/api", {})


def test_restore_without_a_network_says_so(shopper: Shopper) -> None:
    shopper.open("/account").context.set_offline(True)
    shopper.page.get_by_role("button", name=RESTORE).click()

    shopper.sees_toast("Unable to restore your purchase right now.", "alert")


def test_a_session_that_ended_in_between_asks_to_sign_in(shopper: Shopper) -> None:
    shopper.open("/account").sees_badge("Preview")
    shopper.context.clear_cookies()

    shopper.page.get_by_role("button", name=RESTORE).click()

    expect(shopper.sees_toast("Not authenticated.", "alert")).to_contain_text("Please sign in again.")
    expect(shopper.page.get_by_role("main").get_by_role("link", name="Sign in")).to_be_visible()


def test_a_return_from_checkout_after_the_session_ended_leads_back_into_it(visitor: Shopper) -> None:
    buyer = buyer_of(visitor)
    session = buyer.open_checkout()
    buyer.pay(session)
    visitor.open(f"/account?checkout=success&source=hero&checkout_session_id={session}")
    visitor.sees_toast("Your session ended while you were away. Sign in to see your purchase.")

    visitor.page.get_by_role("main").get_by_role("link", name="Sign in").click()
    visitor.page.get_by_label("User name").fill(visitor.user)
    visitor.page.get_by_role("button", name="Sign in").click()

    visitor.sees_badge("Pro active")
    visitor.sees_toast("Checkout completed and Pro is now active on your account.")


def test_the_portal_shows_the_invoice_and_leads_back(shopper: Shopper) -> None:
    buyer_of(shopper).buy()
    shopper.open("/account").page.get_by_role("link", name="Manage billing / invoices").click()

    shopper.page.wait_for_url(re.compile("/p/session/"))
    expect(shopper.page.get_by_text(re.compile("invoice", re.IGNORECASE)).first).to_be_visible()


def test_the_portal_without_history_comes_back_with_a_toast(shopper: Shopper) -> None:
    shopper.open("/account").page.get_by_role("link", name="Manage billing / invoices").click()

    shopper.sees_toast("No Stripe billing history was found for this account yet.", "alert")
    assert shopper.page.url == f"{shopper.origin}/account"


def test_too_many_clicks_come_back_with_a_toast(shopper: Shopper) -> None:
    for _ in range(10):
        shopper.context.request.get(f"{shopper.origin}/api/billing/stripe/portal", max_redirects=0)
    shopper.open("/account").page.get_by_role("link", name="Manage billing / invoices").click()

    expect(shopper.sees_toast("Too many requests.", "alert")).to_contain_text("Try again shortly.")


def test_checkout_while_stripe_is_away_comes_back_with_a_toast(shopper: Shopper) -> None:
    control(shopper.stack, "PUT", "/api", {"fail_next": 1000, "status": 503})
    try:
        shopper.open("/pro").page.get_by_role("link", name="Upgrade to Pro").click()
        shopper.sees_toast("Checkout is temporarily unavailable. Please try again later.", "alert", 30)
    finally:
        control(shopper.stack, "PUT", "/api", {})


def test_without_a_stream_the_page_asks(shopper: Shopper) -> None:
    shopper.page.route("**/api/pro/entitlement/stream", lambda route: route.fulfill(status=503))
    shopper.page.clock.install()
    shopper.open("/account").sees_badge("Preview")

    buyer_of(shopper).buy()
    shopper.page.clock.run_for(10_000)

    shopper.sees_badge("Pro active")


def test_a_refund_right_after_the_purchase_takes_the_word_of_it_away(shopper: Shopper) -> None:
    session = shopper.go_to_checkout()
    shopper.pay()
    bought = shopper.sees_toast("Checkout completed and Pro is now active on your account.")
    bought.hover()  # who reads a toast keeps it: it would not leave by itself

    buyer_of(shopper).refund(session)

    expect(shopper.page.get_by_text("Pro has ended on this account.")).to_be_visible()
    expect(bought).to_have_count(0)


def test_signing_out_ends_the_session_and_leads_to_the_sign_in(shopper: Shopper) -> None:
    shopper.open("/account").page.get_by_role("button", name="Sign out").click()
    expect(shopper.page.get_by_text("Sign in to see where you stand.")).to_be_visible()
    expect(shopper.page.get_by_role("button", name="Sign out")).to_have_count(0)


def test_localhost_is_the_same_place(shopper: Shopper) -> None:
    shopper.page.goto(shopper.origin.replace("127.0.0.1", "localhost") + "/account")
    assert shopper.page.url == f"{shopper.origin}/account"
    expect(shopper.page.get_by_text(f"Signed in as {shopper.user}")).to_be_visible()
