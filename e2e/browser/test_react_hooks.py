"""The React hooks of the TypeScript kit in a real browser: a page of an app's own on the gateway's origin.

The page's HTML and script come from the test (clients/typescript/test/browser); every call that it makes goes to the
running gateway.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import stripe
from playwright.sync_api import BrowserContext, Request, Route, expect

from support import node
from support.shopper import Shopper
from support.stack import Stack

CONFIRMING = "Checkout completed. We are confirming your payment now. Pro access should appear shortly."
ACTIVE = "Checkout completed and Pro is now active on your account."


@pytest.fixture(scope="module")
def kit() -> Path:
    return node.typescript_kit()


def sdk(stack: Stack) -> stripe.StripeClient:
    """The official SDK, pointed at the sandbox."""
    return stripe.StripeClient(stack.json["sandbox"]["secret_key"], base_addresses={"api": stack.url("sandbox")})


class Page(Shopper):
    """A shopper whose /account is our page."""

    kit: Path
    initial: dict[str, object] | None = None
    streams: int = 0
    polls: int = 0

    def serve(self, kit: Path) -> Page:
        self.kit = kit
        self.context.route(re.compile(r"/account(\?.*)?$"), self.answer)
        self.context.route("**/kit-page.js", lambda route: route.fulfill(path=kit / "test/browser/out/page.js"))
        self.context.on("request", self.count)
        return self

    def answer(self, route: Route) -> None:
        given = json.dumps(self.initial) if self.initial else ""
        inside = node.node("test/browser/out/render.cjs", given, cwd=self.kit) if given else ""
        body = f'<!doctype html><div id="root" data-initial="{html.escape(given)}">{inside}</div><script src="/kit-page.js"></script>'
        route.fulfill(content_type="text/html; charset=utf-8", body=body)

    def count(self, request: Request) -> None:
        self.streams += request.url.endswith("/api/pro/entitlement/stream")
        self.polls += request.url.endswith("/api/pro/entitlement")

    def buy(self) -> str:
        """By our page's link to the hosted page, and back by the address that Stripe was told.

        Paid by the sandbox's control surface: the hosted form answers with a redirect, which Playwright does not let a
        test answer.
        """
        self.open("/account").page.get_by_role("link", name="Upgrade to Pro").click()
        self.page.wait_for_url(re.compile(r"/c/pay/cs_"))
        found = re.search(r"cs_[A-Za-z0-9_]+", self.page.url)
        assert found
        session = found[0]
        paid = httpx.post(f"{self.stack.url('sandbox')}/_sandbox/checkout/{session}/pay", json={"outcome": "paid"})
        assert paid.is_success
        back = sdk(self.stack).v1.checkout.sessions.retrieve(session).success_url
        self.page.goto(str(back).replace("{CHECKOUT_SESSION_ID}", session))
        return session

    def sees_pro(self, pro: bool = True, seconds: float = 10) -> None:
        expect(self.page.locator(".badge")).to_have_text("Pro active" if pro else "Preview", timeout=seconds * 1000)

    def stands(self, words: str, seconds: float = 10) -> None:
        expect(self.page.locator(".standing")).to_have_text(words, timeout=seconds * 1000)


@pytest.fixture
def customer(stack: Stack, context: BrowserContext, kit: Path) -> Iterator[Page]:
    """Somebody signed in, at our page; what React complains about fails the test."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" and "Failed to load resource" not in line.text else None)
    someone = Page(stack, context, page).serve(kit)
    someone.sign_in()
    yield someone
    assert complaints == []
    assert page.evaluate("globalThis.complaints ?? []") == []


@pytest.fixture
def refund(stack: Stack) -> Callable[[str], None]:
    """Refunds a session's payment at Stripe."""

    def give_back(session: str) -> None:
        intent = sdk(stack).v1.checkout.sessions.retrieve(session).payment_intent
        sdk(stack).v1.refunds.create({"payment_intent": str(intent)})

    return give_back


def test_a_purchase_is_confirmed_shown_and_refunded_live(customer: Page, refund: Callable[[str], None]) -> None:
    session = customer.buy()

    customer.sees_pro()
    customer.sees_toast(CONFIRMING)
    expect(customer.page.locator("[role=status]").filter(has_text=ACTIVE)).to_be_visible()
    expect(customer.page.get_by_role("status")).to_have_count(2)
    expect(customer.page.locator(".newest")).to_have_text(ACTIVE)
    assert customer.page.url == f"{customer.origin}/account", "what Stripe added to the address is gone"
    customer.stands("ready active active")
    customer.page.get_by_role("button", name="Restore purchase").click()
    customer.sees_toast("Pro is already active on this account.")

    customer.page.evaluate("window.never_reloaded = true")
    customer.streams = customer.polls = 0
    refund(session)

    customer.sees_pro(False)
    customer.stands("ready revoked active")
    assert customer.page.evaluate("window.never_reloaded")
    assert (customer.streams, customer.polls) == (0, 0), "the stream that was open told it"


def test_three_hooks_in_strict_mode_share_one_stream(customer: Page) -> None:
    customer.open("/account").stands("ready none none")
    assert (customer.streams, customer.polls) == (1, 0)


def test_it_polls_where_the_stream_is_refused(customer: Page, refund: Callable[[str], None]) -> None:
    session = customer.buy()
    customer.sees_pro()
    customer.context.route("**/api/pro/entitlement/stream", lambda route: route.fulfill(status=404, body="no such page"))
    customer.page.add_init_script("const wait = setTimeout; window.setTimeout = (then, ms, ...more) => wait(then, ms / 10, ...more)")
    customer.open("/account").sees_pro()

    refund(session)

    customer.sees_pro(False)
    assert customer.polls >= 2


def test_what_the_server_rendered_is_shown_at_once_and_then_what_is_true(customer: Page) -> None:
    customer.initial = {"isPro": True, "status": "active", "source": "manual", "restoredAt": None, "updatedAt": None}
    held: list[Route] = []
    customer.context.route("**/api/pro/entitlement/stream", lambda route: held.append(route))
    customer.open("/account").stands("loading active none")

    held[0].continue_()

    customer.stands("ready none none")
    customer.sees_pro(False)


def test_leaving_checkout_says_so_and_clears_the_address(customer: Page) -> None:
    customer.open("/account?checkout=cancel&source=hero&keep=1")
    customer.sees_toast("Checkout canceled. No charge was made.")
    expect(customer.page).to_have_url(f"{customer.origin}/account?keep=1")


def test_somebody_elses_session_confirms_nothing(customer: Page) -> None:
    customer.open("/account?checkout=success&source=hero&checkout_session_id=cs_test_somebody_elses")
    customer.sees_toast("Checkout session not found.", role="alert")
    customer.stands("ready none failed")


def test_a_link_that_failed_comes_back_with_its_toast(customer: Page) -> None:
    customer.open("/account").page.get_by_role("link", name="Manage billing").click()
    customer.sees_toast("No Stripe billing history was found for this account yet.", role="alert")
    expect(customer.page).to_have_url(f"{customer.origin}/account")


def test_who_signs_out_is_not_pro_any_more(customer: Page) -> None:
    customer.open("/account").stands("ready none none")
    customer.context.clear_cookies()
    customer.page.reload()
    customer.stands("signed-out undefined none")
    customer.sees_pro(False)
