"""Pro bought, refunded and restored through Next.js, in a browser."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Request, expect

from support.next_app import WebShopper, paused
from support.shopper import BANK_DEBIT
from support.stack import Stack

ACTIVE = "Checkout completed and Pro is now active on your account."


class TestBuying:
    def test_from_the_offer_through_the_sign_in_to_pro_by_clicks_alone(self, visitor: WebShopper) -> None:
        asked: list[Request] = []
        visitor.context.on("request", lambda request: asked.append(request) if "/stripe/checkout" in request.url else None)
        visitor.open("/pro")
        expect(visitor.page.get_by_role("table", name="Free and Pro feature comparison")).to_be_visible()
        visitor.page.get_by_role("link", name="Sign in to Upgrade").click()
        visitor.page.get_by_label("E-mail").fill(visitor.email)
        visitor.page.get_by_role("button", name="Sign in").click()
        visitor.page.wait_for_url(re.compile("/c/pay/cs_"))  # the sign-in led on to where the visitor wanted to go
        visitor.page.go_back()

        session = visitor.go_to_checkout()
        visitor.pay()

        visitor.sees_badge("Pro active")
        visitor.sees_toast(ACTIVE)
        assert visitor.page.url == f"{visitor.origin}/account", "what Stripe added to the address is gone"
        assert [request.headers.get("rsc") for request in asked] == [None] * len(asked), "nothing is fetched, all is navigated"
        assert session in visitor.stack.atlas("explain", visitor.user_id, "--json").stdout

    def test_the_server_itself_draws_pro_on_the_next_load(self, shopper: WebShopper) -> None:
        assert not shopper.server_sees_pro()
        shopper.buy()

        assert shopper.server_sees_pro()
        assert "Manage Pro in Account" in shopper.context.request.get(f"{shopper.origin}/pro").text()

    def test_open_pages_turn_to_pro_and_back_without_a_reload(self, shopper: WebShopper) -> None:
        account, offer = shopper.another_tab("/account"), shopper.another_tab("/pro")
        for tab in (account, offer):
            tab.page.evaluate("window.never_reloaded = true")
        account.sees_badge("Preview")
        session = shopper.buy()

        # A tab that nobody looks at holds no connection, and catches up when it is seen.
        account.page.bring_to_front()
        account.sees_badge("Pro active")
        account.sees_toast("Pro is now active on your account.")
        offer.page.bring_to_front()
        expect(offer.page.get_by_role("link", name="Manage Pro in Account")).to_be_visible()

        shopper.buyer.refund(session)
        expect(offer.page.get_by_role("link", name="Upgrade to Pro")).to_be_visible()
        account.page.bring_to_front()
        account.sees_badge("Preview")
        account.sees_toast("Pro is no longer active on your account.")
        expect(account.page.get_by_text("Pro has ended on this account.")).to_be_visible()
        for tab in (account, offer):
            assert tab.page.evaluate("window.never_reloaded")

        account.page.get_by_role("button", name="Restore purchase").click()
        account.sees_toast("Your purchase was refunded, so it can't be restored.")
        assert not shopper.server_sees_pro()

    def test_pro_comes_even_when_no_webhook_does(self, shopper: WebShopper, dropped: None) -> None:
        shopper.buy()

        shopper.sees_toast(ACTIVE)

    def test_cancel_comes_back_with_a_word(self, shopper: WebShopper) -> None:
        shopper.go_to_checkout()
        shopper.page.get_by_role("button", name="Cancel").click()

        shopper.sees_toast("Checkout canceled. No charge was made.")
        shopper.sees_badge("Preview")

    def test_a_delayed_payment_shows_as_processing_until_it_settles(self, shopper: WebShopper) -> None:
        session = shopper.go_to_checkout()
        shopper.pay(BANK_DEBIT)
        shopper.sees_badge("Payment processing")

        shopper.buyer.sandbox("POST", f"/_sandbox/checkout/{session}/settle", {"result": "succeeded"})

        shopper.sees_badge("Pro active")
        expect(shopper.badge("Payment processing")).to_have_count(0)


class TestRestoreAndErrors:
    def test_restore_says_honestly_what_it_found(self, shopper: WebShopper, dropped: None) -> None:
        restore = shopper.open("/account").page.get_by_role("button", name="Restore purchase")
        restore.click()
        shopper.sees_toast("No completed web purchase was found for this account.")
        session = shopper.go_to_checkout()
        shopper.buyer.pay(session)  # and the buyer closes the hosted page; no webhook comes
        shopper.open("/account").sees_badge("Preview")

        restore.click()
        shopper.sees_toast("Purchase restored. Pro access is now active.")
        shopper.sees_badge("Pro active")
        expect(shopper.page.get_by_role("status")).to_have_count(1)

        restore.click()
        shopper.sees_toast("Pro is already active on this account.")

    def test_restoring_too_often_says_so(self, shopper: WebShopper) -> None:
        restore = shopper.open("/account").page.get_by_role("button", name="Restore purchase")
        for _ in range(5):
            with shopper.page.expect_response("**/api/pro/restore") as answer:
                restore.click()
            assert answer.value.ok
            expect(restore).not_to_have_attribute("aria-disabled", "true")
        restore.click()

        shopper.sees_toast("Too many requests. Please try again later. Try again shortly.", role="alert")

    def test_a_link_that_fails_comes_back_with_a_word(self, shopper: WebShopper) -> None:
        shopper.open("/account").page.get_by_role("link", name="Manage billing / invoices").click()
        shopper.sees_toast("No Stripe billing history was found for this account yet.", role="alert")
        assert shopper.page.url == f"{shopper.origin}/account"

        stale = shopper.another_tab("/pro")
        upgrade = stale.page.get_by_role("link", name="Upgrade to Pro")
        expect(upgrade).to_be_visible()
        address = upgrade.get_attribute("href")
        shopper.buy()
        stale.open(str(address))
        stale.sees_toast("Pro is already active.", role="alert")

        for _ in range(10):  # the address of a page that was open since long before
            shopper.context.request.get(f"{shopper.origin}{address}", max_redirects=0)
        shopper.open(str(address))
        shopper.sees_toast("Too many requests. Please try again later. Try again shortly.", role="alert")

    def test_the_portal_opens_for_a_buyer(self, shopper: WebShopper) -> None:
        shopper.buy()
        shopper.page.get_by_role("link", name="Manage billing / invoices").click()

        shopper.page.wait_for_url(lambda url: not url.startswith(shopper.origin))
        expect(shopper.page.get_by_role("heading").first).to_be_visible()


class TestGatewayAway:
    def test_who_is_pro_stays_pro_on_the_server_while_the_gateway_answers_nothing(self, shopper: WebShopper, stack: Stack) -> None:
        shopper.buy()
        assert shopper.server_sees_pro()

        with paused(stack.pid("account-gateway")):
            began = time.monotonic()
            assert shopper.server_sees_pro(), "what was known last holds"
            assert time.monotonic() - began < 3, "and the page waits for the gateway no longer than it was told to"
            answer = shopper.context.request.get(f"{shopper.origin}/account").text()
            assert "This is what it said last." in answer

        shopper.open("/account").sees_badge("Pro active")
        expect(shopper.page.get_by_text("This is what it said last.")).to_have_count(0)
