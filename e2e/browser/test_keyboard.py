"""A purchase without a pointing device: from the offer to Pro and its portal by Tab, Enter and typing alone."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from support.shopper import PAID, Shopper

MOST_STEPS = 40
FOCUSED = "(e => (e.labels?.[0]?.textContent ?? e.getAttribute('aria-label') ?? e.textContent).trim())(document.activeElement)"
RING = "getComputedStyle(document.activeElement).outlineStyle"


def tab_to(page: Page, name: str) -> list[str]:
    """Tab until the element with this name has the focus, each stop with a ring that can be seen; the names on the way."""
    way: list[str] = []
    while not way or not re.match(name, way[-1]):
        assert len(way) < MOST_STEPS, f"{name} is not reached: {way}"
        page.keyboard.press("Tab")
        way.append(page.evaluate(FOCUSED))
        assert page.evaluate(RING) == "solid", f"{way[-1]}: no visible focus"
    return way


def test_a_purchase_by_keyboard_alone(shopper: Shopper) -> None:
    page = shopper.open("/pro").page
    assert tab_to(page, "Upgrade to Pro")[0] == "Skip to content"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/c/pay/cs_"))

    for label, typed in (("Email", f"{shopper.user}@example.com"), ("Card number", PAID), ("Expiry", "12 / 40"), ("CVC", "123")):
        assert len(tab_to(page, label)) == 1, "the fields follow each other"
        page.keyboard.type(typed)
    assert len(tab_to(page, "Pay")) == 1
    page.keyboard.press("Enter")

    shopper.sees_badge("Pro active")
    tab_to(page, "Manage billing")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/p/session/"))
    expect(page.get_by_text(f"{shopper.user}@example.com")).to_be_visible()
