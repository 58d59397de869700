"""Every page in every state, both themes and three widths: axe, layout, pictures; keyboard, weight and speed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from support.gallery import STATES
from support.page_check import accessible_and_fits
from support.stack import eventually

PICTURES = Path(__file__).resolve().parents[2] / "test-results" / "pages"
WIDTHS = (320, 768, 1280)
MAX_BYTES = 100_000
FIRST_PAINT_MS = 500
TRIES = 4
VIEWS = {
    "pro": ("/pro", "free"),
    "pro-signed-out": ("/pro", "signed-out"),
    "pro-already": ("/pro", "pro"),
    "pro-processing": ("/pro", "processing"),
    "pro-in-review": ("/pro", "needs-review"),
    "legal": ("/legal", "free"),
    "not-found": ("/nope", "free"),
    "sign-in": ("/dev/sign-in?callbackUrl=/account", "signed-out"),
    **{f"account-{state}": ("/account", state) for state in STATES},
    "account-confirming": ("/account?checkout=success&checkout_session_id=cs_test_1", "free"),
    "account-slow": ("/account?view=slow", "free"),
    "account-active": ("/account?checkout=success", "pro"),
    "account-on-its-way": ("/account?checkout=success", "processing"),
    "account-in-review": ("/account?checkout=success", "needs-review"),
    "account-refused-in-review": ("/account?billing_error=invalid_request", "needs-review"),
    "account-canceled": ("/account?checkout=cancel", "free"),
    "account-error": ("/account?billing_error=rate_limited", "free"),
}


def visit(page: Page, origin: str, view: str) -> None:
    path, state = VIEWS[view]
    page.context.add_cookies([{"name": "state", "value": state, "url": origin}])
    page.goto(origin + path)


@pytest.fixture
def still(browser: Browser) -> BrowserContext:
    """Without motion, so that pictures are equal; time stands still, so that toasts stay."""
    context = browser.new_context(reduced_motion="reduce")
    yield context
    context.close()


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_accessible_and_fits(view: str, still: BrowserContext, gallery_origin: str) -> None:
    page = still.new_page()
    visit(page, gallery_origin, view)
    page.wait_for_timeout(100)  # toasts speak after 60 ms
    accessible_and_fits(page, view, WIDTHS, PICTURES)


def test_the_theme_is_the_systems_until_chosen_and_then_remembered(page: Page, gallery_origin: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    visit(page, gallery_origin, "pro")
    assert page.evaluate(background) == "rgb(16, 18, 20)"

    page.get_by_role("button", name="Switch to light theme").click()
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.reload(wait_until="commit")

    assert page.locator("html").get_attribute("data-theme") == "light", "drawn by the server: nothing flashes"
    visit(page, gallery_origin, "account-free")
    assert page.evaluate(background) == "rgb(255, 255, 255)"


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(page: Page, gallery_origin: str) -> None:
    visit(page, gallery_origin, "account-free")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(e => [e.textContent.trim() || e.ariaLabel, getComputedStyle(e).outlineStyle])(document.activeElement)"
        )
        reached.append(focused[0])
        assert focused[1] == "solid", f"{focused[0]}: no visible focus"
        if focused[0] == "Refunds":
            break
    assert reached[0] == "Skip to content"
    for name in ("Atlas", "Pro", "Account", "See what Pro adds", "Manage billing / invoices", "Restore purchase"):
        assert name in reached, reached


def test_targets_are_big_enough_for_a_thumb(page: Page, gallery_origin: str) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    for view in ("pro", "account-free", "account-slow", "sign-in"):
        visit(page, gallery_origin, view)
        for target in page.locator("a:visible, button:visible, summary:visible, input:visible").all():
            box = target.bounding_box()
            assert box, view
            assert target.get_attribute("class") == "skip" or box["height"] >= 44, (view, target.inner_text(), box)


def test_toasts_stack_wait_while_read_and_can_be_dismissed(page: Page, gallery_origin: str) -> None:
    visit(page, gallery_origin, "account-canceled")
    page.clock.install()
    visit(page, gallery_origin, "account-canceled")
    canceled = page.get_by_role("status").filter(has_text="Checkout canceled. No charge was made.")
    page.clock.run_for(100)
    page.context.set_offline(True)
    page.get_by_role("button", name="Restore purchase").click()
    failed = page.get_by_role("alert")
    expect(failed).to_be_attached()
    page.clock.run_for(100)
    expect(canceled).to_be_visible()
    expect(failed).to_contain_text("Unable to restore your purchase right now.")

    canceled.hover()
    page.clock.run_for(6000)
    expect(failed).to_have_count(0)
    expect(canceled).to_be_visible()
    canceled.get_by_role("button", name="Dismiss").click()
    page.clock.run_for(300)
    expect(canceled).to_have_count(0)


def test_a_toast_leaves_after_its_time(page: Page, gallery_origin: str) -> None:
    page.clock.install()
    visit(page, gallery_origin, "account-error")
    page.clock.run_for(4000)
    expect(page.get_by_role("alert")).to_contain_text("Too many requests. Please try again later. Try again shortly.")
    page.clock.run_for(1000)
    expect(page.get_by_role("alert")).to_have_count(0)


def first_paint(page: Page) -> float:
    """Milliseconds from the navigation to the first text or picture."""
    entry = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    # Not wait_for_function: it polls by eval, which our Content-Security-Policy rightly refuses.
    return float(eventually(lambda: page.evaluate(entry), what="something is painted"))


@pytest.mark.parametrize("view", ["pro", "account-pro"])
def test_a_page_is_light_fast_and_asks_nobody_else(view: str, page: Page, gallery_origin: str) -> None:
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    visit(page, gallery_origin, view)
    page.wait_for_load_state("load")
    sizes = [request.sizes()["responseBodySize"] for request in asked if "/api/" not in request.url]
    paints = [first_paint(page)]
    while min(paints) >= FIRST_PAINT_MS and len(paints) < TRIES:  # others use this machine too
        page.reload()
        paints.append(first_paint(page))

    print(f"{view}: {sum(sizes):,} bytes in {len(sizes)} answers, first paint after {min(paints):.0f} ms")
    assert sum(sizes) < MAX_BYTES
    assert min(paints) < FIRST_PAINT_MS
    assert all(request.url.startswith(gallery_origin) for request in asked)


def test_nothing_moves_for_who_asked_for_no_motion(still: BrowserContext, gallery_origin: str) -> None:
    page = still.new_page()
    visit(page, gallery_origin, "account-confirming")
    running = "document.getAnimations().filter(a => a.effect.getComputedTiming().duration > 1).length"
    assert page.evaluate(running) == 0
