"""A person at a browser: what they click, and what they see."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, Locator, Page, expect

from support.buyer import new_user
from support.stack import Stack

PAID, DECLINED, BANK_DEBIT = "4242 4242 4242 4242", "4000 0000 0000 0002", "4000 0000 0000 0077"


@dataclass
class Shopper:
    """One user of a running stack with one tab open; more tabs by `another_tab`."""

    stack: Stack
    context: BrowserContext
    page: Page
    user: str = field(default_factory=lambda: new_user("shopper"))

    @property
    def origin(self) -> str:
        return self.stack.url("account-gateway")

    def sign_in(self) -> Shopper:
        """As the form of /dev/sign-in does, without looking at it."""
        answer = self.context.request.post(
            f"{self.origin}/dev/sign-in",
            form={"user": self.user, "callbackUrl": "/account"},
            headers={"origin": self.origin},
            max_redirects=0,
        )
        assert answer.status == 303, answer.text()
        return self

    def open(self, path: str) -> Shopper:
        self.page.goto(self.origin + path)
        return self

    def another_tab(self, path: str) -> Shopper:
        return Shopper(self.stack, self.context, self.context.new_page(), self.user).open(path)

    def go_to_checkout(self) -> str:
        """From /pro to the hosted page; the checkout session's id."""
        self.open("/pro").page.get_by_role("link", name="Upgrade to Pro").click()
        self.page.wait_for_url(re.compile(r"/c/pay/cs_"))
        found = re.search(r"cs_[A-Za-z0-9_]+", self.page.url)
        assert found
        return found[0]

    def fill_card(self, number: str = PAID) -> None:
        if self.page.get_by_label("Email").is_editable():
            self.page.get_by_label("Email").fill(f"{self.user}@example.com")
        self.page.get_by_label("Card number").fill(number)
        self.page.get_by_label("Expiry").fill("12 / 34")
        self.page.get_by_label("CVC").fill("123")

    def press_pay(self) -> None:
        self.page.get_by_role("button", name=re.compile("^Pay")).click()

    def pay(self, number: str = PAID) -> None:
        """Fill the card form, press Pay and come back to the account page."""
        self.fill_card(number)
        self.press_pay()
        self.page.wait_for_url(re.compile(re.escape(self.origin) + "/account"))

    def badge(self, text: str) -> Locator:
        return self.page.locator(".badges").get_by_text(text, exact=True)

    def sees_badge(self, text: str, seconds: float = 5) -> None:
        expect(self.badge(text)).to_be_visible(timeout=seconds * 1000)

    def sees_toast(self, text: str, role: str = "status", seconds: float = 5) -> Locator:
        toast = self.page.get_by_role(role).filter(has_text=text)
        expect(toast).to_be_visible(timeout=seconds * 1000)
        return toast
