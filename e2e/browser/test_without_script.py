"""Without JavaScript, or with a script that never arrives, a purchase still works and nothing pretends to."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from support.shopper import Shopper
from support.stack import Stack


@pytest.fixture(params=["script off", "script fails to load"])
def shopper(request: pytest.FixtureRequest, stack: Stack, browser: Browser) -> Shopper:
    context = browser.new_context(java_script_enabled=request.param != "script off")
    context.set_default_timeout(10_000)
    if request.param != "script off":
        context.route(re.compile(r"/static/.*\.js"), lambda route: route.abort())
    request.addfinalizer(context.close)
    return Shopper(stack, context, context.new_page()).sign_in()


def test_a_purchase_works_by_links_and_forms(shopper: Shopper) -> None:
    shopper.go_to_checkout()
    shopper.pay()
    shopper.open("/account").sees_badge("Pro active")


def test_toasts_are_in_the_page_and_can_be_dismissed(shopper: Shopper) -> None:
    shopper.open("/account").page.get_by_role("link", name="Manage billing / invoices").click()
    toast = shopper.sees_toast("No Stripe billing history was found for this account yet.", "alert")

    toast.get_by_role("link", name="Dismiss").click()

    expect(shopper.page.get_by_role("alert")).to_have_count(0)


def test_restore_says_honestly_that_it_needs_a_script(shopper: Shopper) -> None:
    shopper.open("/account")

    expect(shopper.page.get_by_role("button", name="Restore purchase")).to_be_disabled()
    expect(shopper.page.get_by_text("needs JavaScript")).to_be_visible()
