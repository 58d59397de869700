"""Buying Pro with a mouse: from the offer through the hosted page to an account that turns to Pro by itself."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import httpx
import pytest
import stripe
from playwright.sync_api import expect

from support.shopper import BANK_DEBIT, DECLINED, Shopper
from support.stack import Stack, eventually

CONFIRMING = "Checkout completed. We are confirming your payment now. Pro access should appear shortly."
ACTIVE = "Checkout completed and Pro is now active on your account."
CANCELED = "Checkout canceled. No charge was made."
TARGET_SECONDS, TRIES = 1.0, 4


def control(stack: Stack, method: str, path: str, body: dict[str, object] | None = None) -> None:
    """The sandbox's control surface."""
    assert httpx.request(method, f"{stack.url('sandbox')}/_sandbox{path}", json=body or {}).is_success


def looks_again(shopper: Shopper) -> Shopper:
    """Let the time pass after which a page looks again by itself."""
    shopper.page.clock.run_for(5_000)
    return shopper


@pytest.fixture
def deaf_webhooks(stack: Stack) -> Iterator[None]:
    """No webhook arrives."""
    control(stack, "PUT", "/delivery", {"mode": "drop"})
    yield
    control(stack, "PUT", "/delivery", {"mode": "normal"})


@pytest.fixture
def silent_stripe(stack: Stack, deaf_webhooks: None) -> Iterator[None]:
    """No webhook arrives, and Stripe answers nothing but errors once this is used."""
    yield
    control(stack, "PUT", "/api", {})


def test_from_the_offer_to_pro_by_clicks_alone(visitor: Shopper) -> None:
    visitor.open("/pro").page.get_by_role("link", name="Sign in to Upgrade").click()
    visitor.page.get_by_label("User name").fill(visitor.user)
    visitor.page.get_by_role("button", name="Sign in").click()
    visitor.page.wait_for_url(re.compile("/c/pay/cs_"))  # the sign-in led on to where the visitor wanted to go

    visitor.pay()

    visitor.sees_badge("Pro active")
    visitor.sees_toast(ACTIVE)
    assert visitor.page.url == f"{visitor.origin}/account", "what Stripe added to the address is gone"
    visitor.open("/pro")
    expect(visitor.page.get_by_role("link", name="Manage Pro in Account")).to_be_visible()
    expect(visitor.page.get_by_role("link", name="Upgrade to Pro")).to_have_count(0)


@pytest.mark.alone
def test_less_than_a_second_from_pay_to_pro(shopper: Shopper) -> None:
    """The best of a few purchases: a machine that does other things beside may spoil one."""
    taken: list[float] = []
    while len(taken) < TRIES and min(taken, default=TARGET_SECONDS) >= TARGET_SECONDS:
        buyer = Shopper(shopper.stack, shopper.context, shopper.page).sign_in()
        buyer.go_to_checkout()
        buyer.fill_card()
        began = time.monotonic()
        buyer.press_pay()
        buyer.badge("Pro active").wait_for()
        taken.append(time.monotonic() - began)

    print("from Pay to Pro:", ", ".join(f"{seconds:.3f} s" for seconds in taken))
    assert min(taken) < TARGET_SECONDS


def test_an_open_account_page_turns_to_pro_without_a_reload(shopper: Shopper) -> None:
    watching = shopper.open("/account").another_tab("/account")
    watching.page.evaluate("window.never_reloaded = true")
    watching.sees_badge("Preview")

    shopper.go_to_checkout()
    shopper.pay()

    watching.sees_badge("Pro active")
    watching.sees_toast("Pro is now active on your account.")
    assert watching.page.evaluate("window.never_reloaded")


def test_pro_comes_even_when_no_webhook_does(shopper: Shopper, deaf_webhooks: None) -> None:
    shopper.go_to_checkout()

    shopper.pay()

    shopper.sees_badge("Pro active")
    shopper.sees_toast(ACTIVE)


def test_a_confirmation_that_takes_long_says_so_and_survives_a_reload(shopper: Shopper, silent_stripe: None) -> None:
    session = shopper.go_to_checkout()
    shopper.fill_card()
    control(shopper.stack, "PUT", "/api", {"fail_next": 1000, "status": 503})
    shopper.page.clock.install()
    shopper.press_pay()
    expect(shopper.page.get_by_text("Confirming your payment.")).to_be_visible()
    shopper.sees_toast(CONFIRMING)
    assert session not in shopper.page.url

    shopper.page.reload()  # in the middle: the page goes on where it was
    expect(shopper.page.get_by_text("Confirming your payment.")).to_be_visible()
    shopper.page.clock.fast_forward(11_000)
    expect(shopper.page.get_by_text("This takes longer than usual.")).to_be_visible()

    control(shopper.stack, "PUT", "/api", {})
    shopper.page.get_by_role("button", name="Check now").click()
    shopper.sees_badge("Pro active")
    shopper.sees_toast(ACTIVE)


def test_a_declined_card_charges_nothing_and_another_card_may_follow(shopper: Shopper) -> None:
    shopper.go_to_checkout()
    shopper.fill_card(DECLINED)
    shopper.press_pay()
    expect(shopper.page.get_by_text("Nothing was charged")).to_be_visible()
    tab = shopper.another_tab("/account")
    tab.sees_badge("Preview")

    shopper.pay()

    tab.sees_badge("Pro active")


REVIEWED = "Your payment was received, but Pro could not be switched on automatically. Please contact support."


def paid_otherwise(shopper: Shopper, **changes: object) -> str:
    """A paid session with all of our metadata that isn't what the buyer was offered: its id."""
    client = stripe.StripeClient(
        shopper.stack.json["sandbox"]["secret_key"], base_addresses={"api": shopper.stack.url("sandbox")}
    )
    ours = client.raw_request("get", f"/v1/checkout/sessions/{shopper.go_to_checkout()}").data
    item = {"price_data": {"currency": "eur", "unit_amount": 4400, "product_data": {"name": "Pro"}}, "quantity": 1}
    params = {"mode": "payment", "line_items": [item], "success_url": "https://app.example/", "metadata": ours["metadata"]}
    session = client.raw_request("post", "/v1/checkout/sessions", **{**params, **changes}).data["id"]
    control(shopper.stack, "POST", f"/checkout/{session}/pay", {"outcome": "paid"})
    return str(session)


@pytest.mark.parametrize("webhooks", ["heard", "deaf"])
def test_a_payment_that_may_not_grant_is_told_to_its_buyer(
    shopper: Shopper, webhooks: str, request: pytest.FixtureRequest
) -> None:
    if webhooks == "deaf":
        request.getfixturevalue("deaf_webhooks")
    session = paid_otherwise(shopper)

    shopper.open(f"/account?checkout=success&source=hero&checkout_session_id={session}")

    shopper.sees_badge("Payment in review")
    shopper.sees_toast(REVIEWED)
    expect(shopper.page.get_by_text("charged")).to_have_count(0)
    shopper.page.get_by_role("button", name="Restore purchase").click()
    shopper.sees_toast(REVIEWED)
    shopper.open("/api/billing/stripe/checkout")
    shopper.sees_toast("Your payment was received and is being reviewed. Please contact support.", role="alert")


def test_after_a_refund_the_return_says_refunded(shopper: Shopper, deaf_webhooks: None) -> None:
    session = paid_otherwise(shopper)
    client = stripe.StripeClient(
        shopper.stack.json["sandbox"]["secret_key"], base_addresses={"api": shopper.stack.url("sandbox")}
    )
    intent = client.raw_request("get", f"/v1/checkout/sessions/{session}").data["payment_intent"]
    client.raw_request("post", "/v1/refunds", payment_intent=intent)

    shopper.open(f"/account?checkout=success&source=hero&checkout_session_id={session}")

    shopper.sees_toast("This payment was refunded, so Pro is not active.")


def test_cancel_comes_back_with_a_word(shopper: Shopper) -> None:
    shopper.go_to_checkout()
    shopper.page.get_by_role("button", name="Cancel").click()

    shopper.sees_toast(CANCELED)
    shopper.sees_badge("Preview")
    assert shopper.page.url == f"{shopper.origin}/account"


def test_a_delayed_payment_shows_as_processing_until_it_settles(shopper: Shopper) -> None:
    session = shopper.go_to_checkout()
    shopper.pay(BANK_DEBIT)
    shopper.sees_badge("Payment processing")
    shopper.sees_toast("Your bank payment is on its way. It usually takes 3 to 5 business days")

    control(shopper.stack, "POST", f"/checkout/{session}/settle", {"result": "succeeded"})

    shopper.sees_badge("Pro active")
    expect(shopper.badge("Payment processing")).to_have_count(0)
    shopper.sees_toast(ACTIVE)


def test_a_delayed_payment_that_fails_says_so_live(shopper: Shopper) -> None:
    session = shopper.go_to_checkout()
    shopper.pay(BANK_DEBIT)
    shopper.page.clock.install()
    shopper.open("/account").sees_badge("Payment processing")

    control(shopper.stack, "POST", f"/checkout/{session}/settle", {"result": "failed"})
    eventually(lambda: looks_again(shopper).badge("Payment failed").is_visible(), what="the page says that it failed")

    expect(shopper.page.get_by_role("link", name="Try again")).to_be_visible()


def test_two_tabs_at_once_lead_to_one_session_and_the_second_cannot_pay_again(shopper: Shopper) -> None:
    other = shopper.another_tab("/pro")
    session = shopper.go_to_checkout()
    assert other.go_to_checkout() == session

    shopper.pay()
    shopper.sees_badge("Pro active")
    other.page.reload()

    expect(other.page.get_by_text("There is nothing more to pay")).to_be_visible()
    other.open("/account").sees_badge("Pro active")


def test_a_double_click_starts_one_checkout(shopper: Shopper) -> None:
    asked: list[str] = []
    shopper.context.on("request", lambda r: asked.append(r.url) if "/stripe/checkout" in r.url else None)

    shopper.open("/pro").page.get_by_role("link", name="Upgrade to Pro").dblclick()
    shopper.page.wait_for_url(re.compile("/c/pay/cs_"))

    assert len(asked) == 1
    assert asked[0].endswith("?source=hero")


def test_the_back_button_returns_to_an_offer_that_works_again(shopper: Shopper) -> None:
    session = shopper.go_to_checkout()
    shopper.page.go_back()
    upgrade = shopper.page.get_by_role("link", name="Upgrade to Pro")
    expect(upgrade).not_to_have_attribute("aria-busy", "true")

    upgrade.click()

    shopper.page.wait_for_url(re.compile(session))


def test_the_back_button_after_a_purchase_does_not_confirm_again(shopper: Shopper) -> None:
    shopper.go_to_checkout()
    shopper.pay()
    shopper.sees_badge("Pro active")

    shopper.open("/pro").page.go_back()

    shopper.sees_badge("Pro active")
    expect(shopper.page.get_by_role("status")).to_have_count(0)


def test_who_is_pro_is_sent_back_from_an_old_offer(shopper: Shopper) -> None:
    stale = shopper.another_tab("/pro")
    shopper.go_to_checkout()
    shopper.pay()
    shopper.sees_badge("Pro active")

    stale.page.get_by_role("link", name="Upgrade to Pro").click()

    stale.sees_toast("Pro is already active.", role="alert")
    stale.sees_badge("Pro active")


def test_a_slow_network_changes_nothing(shopper: Shopper) -> None:
    devtools = shopper.context.new_cdp_session(shopper.page)
    devtools.send("Network.enable")
    slow = {"offline": False, "latency": 300, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
    devtools.send("Network.emulateNetworkConditions", slow)

    shopper.go_to_checkout()
    shopper.pay()

    shopper.sees_badge("Pro active", seconds=10)
    shopper.sees_toast(ACTIVE)


def test_another_buyers_session_confirms_nothing(shopper: Shopper, deaf_webhooks: None) -> None:
    session = shopper.go_to_checkout()
    shopper.pay()
    shopper.sees_badge("Pro active")
    thief = Shopper(shopper.stack, shopper.context, shopper.page).sign_in()

    thief.open(f"/account?checkout=success&source=direct&checkout_session_id={session}")

    thief.sees_toast("Checkout session not found.", role="alert")
    thief.sees_badge("Preview")
