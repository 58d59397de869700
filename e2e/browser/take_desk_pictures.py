"""Takes the pictures of docs/support-desk.md from a running stack, in which it plays what they show.

    ./atlas up --detach && .venv/bin/python e2e/browser/take_desk_pictures.py

Makes them small with pngquant where it is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

WORKSPACE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(WORKSPACE / "tests"))

from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402 - needs the path above

from support.buyer import Buyer, new_user  # noqa: E402 - needs the path above
from support.chromium import CHROMIUM  # noqa: E402 - needs the path above
from support.stack import Stack, eventually  # noqa: E402 - needs the path above

IMAGES = WORKSPACE / "docs" / "images"


def picture(page: Page, name: str, height: int = 800) -> None:
    """What the window shows."""
    page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    page.wait_for_timeout(300)
    page.screenshot(path=IMAGES / f"desk-{name}.png")


def find(page: Page, url: str, what: str) -> None:
    page.goto(url)
    page.get_by_label("Find a buyer").fill(what)
    page.get_by_role("button", name="Find").click()
    page.wait_for_load_state()


def lost_webhook(page: Page, stack: Stack) -> None:
    ada = Buyer(stack, new_user("ada"))
    email = f"{ada.user}@example.com"
    ada.sandbox("PUT", "/_sandbox/delivery", {"mode": "drop"})
    try:
        body = {"outcome": "paid", "email": email}
        ada.sandbox("POST", f"/_sandbox/checkout/{ada.open_checkout()}/pay", body)
    finally:
        ada.sandbox("PUT", "/_sandbox/delivery", {})
    page.goto(stack.json["desk"]["url"])
    page.get_by_label("Find a buyer").fill(email)
    picture(page, "find", 460)
    page.get_by_role("button", name="Find").click()
    picture(page, "webhook-lost", 900)
    page.get_by_role("button", name="Read this buyer's payments at Stripe").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("is Pro:", timeout=20_000)
    picture(page, "webhook-read", 900)


def refunded(page: Page, stack: Stack) -> None:
    grace = Buyer(stack, new_user("grace"))
    session = grace.buy()
    time.sleep(2)  # so that the picture has instants to show
    grace.refund(session, 1000)
    time.sleep(2)
    grace.refund(session)
    eventually(lambda: not grace.is_pro(), what="the refund is known")
    find(page, stack.json["desk"]["url"], grace.payment_intent(session))
    page.locator(".picture:visible .mark-refund").last.focus()
    picture(page, "refunded", 900)


def by_a_link(page: Page, stack: Stack) -> None:
    finn = Buyer(stack, new_user("finn"))
    body = {"metadata": {"userId": finn.user, "productKey": "pro_lifetime_v1"}, "client_reference_id": finn.user}
    bought = finn.sandbox("POST", "/_sandbox/payment_links/pay", body)
    time.sleep(2)
    find(page, stack.json["desk"]["url"], bought["payment_intent"])
    picture(page, "payment-link", 900)
    page.get_by_role("link", name="Today").click()
    page.wait_for_load_state()
    page.wait_for_timeout(8000)  # the doctor looks for the first time
    picture(page, "today", 900)


def signed_in(browser: Browser, stack: Stack) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce").new_page()
    page.goto(stack.json["desk"]["sign_in_url"])
    return page


def main() -> None:
    stack = Stack(Path(os.environ.get("ATLAS_HOME", WORKSPACE / ".atlas")), 0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = signed_in(browser, stack)
        lost_webhook(page, stack)
        refunded(page, stack)
        by_a_link(page, stack)
        page.emulate_media(color_scheme="dark")
        page.go_back()
        page.set_viewport_size({"width": 390, "height": 844})
        picture(page, "phone-dark", 844)
        browser.close()
    pictures = sorted(IMAGES.glob("desk-*.png"))
    if pngquant := shutil.which("pngquant"):
        subprocess.run([pngquant, "--force", "--ext", ".png", "--speed", "1", *pictures], check=True)
    for path in pictures:
        sys.stdout.write(f"{path.stat().st_size:>8,}  {path.name}\n")


if __name__ == "__main__":
    main()
