"""Ten reasons for "I paid and I am not Pro", played for real: found by what the buyer has, understood, and mended."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from support.buyer import Buyer, explain
from support.stack import Stack, eventually
from support.stripe_events import body_of, purchase, session, signature

Found = Callable[[str], Page]


@pytest.fixture(scope="module")
def desk(stack: Stack, browser: Browser) -> Iterator[BrowserContext]:
    """A browser in which somebody has signed in by the link of stack.json."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(stack.json["desk"]["sign_in_url"])
    expect(page.get_by_label("Find a buyer")).to_be_visible()
    page.close()
    yield context
    context.close()


@pytest.fixture
def found(stack: Stack, desk: BrowserContext) -> Iterator[Found]:
    """The page that comes of a search by what a buyer has."""
    page = desk.new_page()

    def find(what: str) -> Page:
        page.goto(stack.json["desk"]["url"])
        page.get_by_label("Find a buyer").fill(what)
        page.get_by_role("button", name="Find").click()
        page.wait_for_load_state()
        assert "@" not in page.url, "an e-mail address is in no address that a log may keep"
        return page

    yield find
    page.close()


def sees(page: Page, verdict: str, *texts: str) -> None:
    """The verdict's sentence, and each text; without the page being loaded again."""
    expect(page.get_by_role("heading", level=1)).to_contain_text(verdict, timeout=20_000)
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible()


def says(page: Page, button: str, reason: str = "Looked at with the buyer", ticket: str = "SUP-1") -> None:
    page.get_by_label("Reason").fill(reason)
    page.get_by_label("Ticket").fill(ticket)
    page.get_by_role("button", name=button, exact=True).click()


def email_of(buyer: Buyer) -> str:
    return f"{buyer.user}@example.com"


def paid(buyer: Buyer, **how: str) -> str:
    session_id = buyer.open_checkout()
    buyer.sandbox("POST", f"/_sandbox/checkout/{session_id}/pay", {"outcome": "paid", "email": email_of(buyer), **how})
    return session_id


def test_the_webhook_was_lost_found_by_email_and_mended_by_reading_stripe(buyer: Buyer, found: Found) -> None:
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "drop"})
    try:
        paid(buyer)
    finally:
        buyer.sandbox("PUT", "/_sandbox/delivery", {})
    page = found(email_of(buyer))
    sees(page, f"{buyer.user} is not Pro: none.", "no payment of it is known here", "read their payments at Stripe")

    page.get_by_role("button", name="Read this buyer's payments at Stripe").click()

    sees(page, f"{buyer.user} is Pro: active through stripe")
    assert buyer.is_pro()


def test_a_bank_debit_is_on_its_way_found_by_payment_and_the_page_shows_its_arrival(buyer: Buyer, found: Found) -> None:
    session_id = buyer.open_checkout()
    buyer.pay(session_id, "processing")
    eventually(lambda: explain(buyer.stack, buyer.user)["pending"], what="the debit is known")
    page = found(buyer.payment_intent(session_id))
    sees(page, f"{buyer.user} is not Pro", "a bank debit takes up to four business days", "must not pay twice", "Payment processing since")
    opened = page.evaluate("performance.timeOrigin")

    buyer.sandbox("POST", f"/_sandbox/checkout/{session_id}/settle", {"result": "succeeded"})

    sees(page, f"{buyer.user} is Pro: active through stripe", "It is paid.")
    assert page.evaluate("performance.timeOrigin") == opened, "the page was not loaded again"


def test_a_bank_debit_failed_found_by_user_id(buyer: Buyer, found: Found) -> None:
    session_id = buyer.open_checkout()
    buyer.pay(session_id, "processing")
    buyer.sandbox("POST", f"/_sandbox/checkout/{session_id}/settle", {"result": "failed"})
    eventually(lambda: explain(buyer.stack, buyer.user)["payments"][0]["because"] == "payment_failed", what="the failure is known")

    sees(found(buyer.user), f"{buyer.user} is not Pro: none.", "The bank did not pay", "the buyer can buy again", "Payment failed")


def test_refunded_in_full_found_by_invoice_number(buyer: Buyer, found: Found) -> None:
    session_id = buyer.buy()
    invoice = buyer.stripe.v1.checkout.sessions.retrieve(session_id).invoice
    number = buyer.stripe.v1.invoices.retrieve(str(invoice)).number
    buyer.refund(session_id)
    eventually(lambda: not buyer.is_pro(), what="the refund is known")

    sees(found(str(number)), f"{buyer.user} is not Pro: revoked through stripe", "It was refunded in full.", "the buyer buys it again", "revokes (refunded)")


def test_refunded_in_part_stays_pro_found_by_payment(buyer: Buyer, found: Found) -> None:
    session_id = buyer.buy()
    buyer.refund(session_id, 1000)
    eventually(lambda: "refund_issued" in json.dumps(explain(buyer.stack, buyer.user)), what="the refund is known")

    page = found(buyer.payment_intent(session_id))
    sees(page, f"{buyer.user} is Pro: active through stripe", "$10.00 of $49.00", "A full refund or a lost dispute")
    assert page.locator(".picture:visible .mark-refund").count() == 1


def test_a_dispute_was_lost_found_by_its_id(buyer: Buyer, found: Found) -> None:
    session_id = buyer.buy()
    dispute = buyer.sandbox("POST", "/_sandbox/disputes", {"payment_intent": buyer.payment_intent(session_id), "status": "lost"})
    eventually(lambda: not buyer.is_pro(), what="the dispute is known")

    sees(found(dispute["id"]), f"{buyer.user} is not Pro: revoked through stripe", "the dispute is lost", "withdraw the dispute", "Dispute lost")


def test_paid_and_needs_a_person_found_by_payment_and_granted(buyer: Buyer, found: Found) -> None:
    opened = buyer.stripe.v1.checkout.sessions.create({
        "mode": "payment", "success_url": "http://127.0.0.1/ok", "metadata": {"userId": buyer.user, "productKey": "pro_lifetime_v1"},
        "line_items": [{"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 4900, "product_data": {"name": "Pro"}}}],
    })  # fmt: skip
    buyer.pay(opened.id)
    eventually(lambda: explain(buyer.stack, buyer.user)["payments"], what="the payment is known")
    page = found(buyer.payment_intent(opened.id))
    sees(page, f"{buyer.user} is not Pro: none.", "in a currency that isn't accepted here", "Needs a person", "or grant Pro if the buyer should have it")

    says(page, "Grant", "Their bank changes the currency", "SUP-207")

    sees(page, f"{buyer.user} is Pro: active through manual", "Their bank changes the currency, ticket SUP-207")
    told = explain(buyer.stack, buyer.user)["adjustments"][0]
    assert (told["reason"], told["ticket"], "@" in told["operator"]) == ("Their bank changes the currency", "SUP-207", True)
    assert buyer.is_pro()


def test_a_parked_contradiction_found_by_user_id_says_why_it_stays_parked(buyer: Buyer, found: Found) -> None:
    contradicting = session(client_reference_id="somebody_else", metadata={"userId": buyer.user, "productKey": "pro_lifetime_v1"})
    body = body_of(purchase(data={"object": contradicting}))
    hook = buyer.stack.json["webhook"]
    signed = {"stripe-signature": signature(body, hook["secret"])}
    assert httpx.post(hook["url"], content=body, headers=signed, timeout=30).status_code == 200
    eventually(lambda: explain_anyway(buyer)["parked"], what="it is parked")
    page = found(buyer.user)
    sees(page, f"{buyer.user} is not Pro: none.", "Contradicting user", "Parked: could not be processed", "Redrive it when its cause is gone")

    page.get_by_role("button", name="Redrive").click()

    expect(page.get_by_role("alert")).to_contain_text("client_reference_id names another user than metadata.userId")
    says(page, "Grant", "The web app named two of their accounts", "SUP-8")
    sees(page, f"{buyer.user} is Pro: active through manual")


def explain_anyway(buyer: Buyer) -> dict:
    return json.loads(buyer.stack.atlas("explain", buyer.user, "--json").stdout)


def test_paid_through_a_payment_link_found_by_charge(buyer: Buyer, found: Found) -> None:
    body = {"metadata": {"userId": buyer.user, "productKey": "pro_lifetime_v1"}, "client_reference_id": buyer.user}
    bought = buyer.sandbox("POST", "/_sandbox/payment_links/pay", body)
    eventually(lambda: explain_anyway(buyer)["payments"], what="the payment is known")
    intent = buyer.stripe.v1.payment_intents.retrieve(bought["payment_intent"])

    sees(found(str(intent.latest_charge)), f"{buyer.user} is not Pro: none.", "through a payment link", "refund it at Stripe")


def test_bought_under_another_account_found_by_email_and_both_are_told(buyer: Buyer, stack: Stack, found: Found) -> None:
    other = Buyer(stack)
    session_id = paid(other)
    eventually(other.is_pro, what="the other account is Pro")
    sees(found(buyer.user), f"Nothing at all is known of a user {buyer.user}")
    page = found(email_of(other))
    sees(page, f"{other.user} is Pro: active through stripe")

    says(page, "Revoke", "Bought under the wrong account", "SUP-9")
    sees(page, f"{other.user} is not Pro", "An operator ended what it grants.", "If that was a mistake, undo it.")
    page.goto(f"{stack.json['desk']['url']}/buyer?user={buyer.user}")
    says(page, "Grant", f"Paid as {session_id[:12]} by another account", "SUP-9")

    sees(page, f"{buyer.user} is Pro: active through manual")
    assert buyer.is_pro()
    assert not other.is_pro()
    page.goto(f"{stack.json['desk']['url']}/buyer?user={other.user}")
    says(page, "Undo", "The buyer wants it as it was", "SUP-9")
    sees(page, f"{other.user} is Pro: active through stripe")


def test_what_a_buyer_calls_themselves_is_shown_as_it_is_and_does_nothing(stack: Stack, found: Found) -> None:
    hostile = f"<img src=x onerror=alert(1)>{secrets.token_hex(4)}"
    buyer = Buyer(stack, hostile)
    bought = buyer.sandbox(
        "POST", "/_sandbox/payment_links/pay",
        {"metadata": {"userId": hostile, "productKey": "pro_lifetime_v1", "note": "<script>alert(1)</script>"}, "client_reference_id": hostile},
    )  # fmt: skip
    eventually(lambda: explain_anyway(buyer)["payments"], what="the payment is known")
    page = found(bought["payment_intent"])

    sees(page, f"{hostile} is not Pro: none.")
    assert page.locator("main img, main script").count() == 0
    page.get_by_role("link", name="Today").click()
    page.get_by_role("link", name=hostile).first.click()
    sees(page, f"{hostile} is not Pro: none.")


def test_an_email_that_was_searched_for_is_in_no_log(buyer: Buyer, stack: Stack, found: Found) -> None:
    paid(buyer)
    eventually(buyer.is_pro, what="they are Pro")
    sees(found(email_of(buyer)), f"{buyer.user} is Pro")

    sees(found(f"nobody-{email_of(buyer)}"), "Stripe knows nothing of this e-mail address.")
    logs = "".join(path.read_text(errors="replace") for path in stack.home.rglob("*.log"))
    assert re.search(r"desk", logs), "the desk's log was read"
    assert email_of(buyer) not in logs
