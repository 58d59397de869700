"""Takes the pictures of docs/images from a running stack: a real purchase, page by page.

    ./atlas up --detach && .venv/bin/python e2e/browser/take_pictures.py

Makes them small with pngquant where it is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

WORKSPACE = Path(__file__).resolve().parents[2]
IMAGES = WORKSPACE / "docs" / "images"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 780}


def picture(page: Page, name: str) -> None:
    """What the window shows, once fonts and toasts are there."""
    page.wait_for_timeout(250)
    page.screenshot(path=IMAGES / f"{name}.png")


def sign_in(context: BrowserContext, origin: str, user: str) -> None:
    form = {"user": user, "callbackUrl": "/account"}
    context.request.post(f"{origin}/dev/sign-in", form=form, headers={"origin": origin}, max_redirects=0)


def purchase(page: Page, origin: str, suffix: str) -> None:
    """From the offer to Pro."""
    page.goto(f"{origin}/pro")
    picture(page, f"pro{suffix}")
    page.get_by_role("link", name="Upgrade to Pro").click()
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_label("Expiry").fill("12 / 34")
    page.get_by_label("CVC").fill("123")
    picture(page, f"checkout{suffix}")
    page.get_by_role("button", name=re.compile("^Pay")).click()
    page.get_by_text("Pro active", exact=True).wait_for()
    picture(page, f"account-pro{suffix}")


def main() -> None:
    home = Path(os.environ.get("ATLAS_HOME", WORKSPACE / ".atlas"))
    stack = json.loads((home / "stack.json").read_text())
    origin, sandbox = stack["nextauth_url"], stack["sandbox"]["url"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        for theme, user, suffix in (("light", "ada", ""), ("dark", "grace", "-dark")):
            context = browser.new_context(viewport=DESKTOP, color_scheme=theme, reduced_motion="reduce")
            page = context.new_page()
            if theme == "light":
                page.goto(f"{origin}/dev/sign-in")
                picture(page, "sign-in")
            sign_in(context, origin, user)
            purchase(page, origin, suffix)
            page.get_by_role("link", name="Manage billing / invoices").click()
            page.wait_for_url(re.compile("/p/session/"))
            if theme == "light":
                picture(page, "portal")
                page.goto(sandbox)
                page.wait_for_timeout(2500)  # it asks the gateway what it says of each buyer
                picture(page, "control-room")
            page.set_viewport_size(PHONE)
            page.goto(f"{origin}/account")
            picture(page, f"phone-account{suffix}")
            page.goto(f"{origin}/pro")
            picture(page, f"phone-pro{suffix}")
            context.close()
        browser.close()
    if pngquant := shutil.which("pngquant"):
        subprocess.run([pngquant, "--force", "--ext", ".png", "--speed", "1", *IMAGES.glob("*.png")], check=True)
    for path in sorted(IMAGES.glob("*.png")):
        sys.stdout.write(f"{path.stat().st_size:>8,}  {path.name}\n")


if __name__ == "__main__":
    main()
