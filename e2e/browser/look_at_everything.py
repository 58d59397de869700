"""Takes a picture of every page of a running stack, gateway, sandbox and support desk, to be looked at by a person: forty
buyers, long names, three widths, both themes. What it can't reach, a gateway's page in a rare state, `test_pages.py` leaves in
`test-results/pages`.

    ./atlas up --detach && .venv/bin/python e2e/browser/look_at_everything.py test-results/looked-at

Beside the pictures it makes one sheet of each page in its three widths. Exits 1 where a page scrolls sideways.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

WORKSPACE = Path(__file__).resolve().parents[2]
WIDTHS = {375: 812, 768: 1024, 1280: 800}
BUYERS = 40
LONG = "a-very-long-user-id-without-any-place-to-break-" + "x" * 150
NAMES = [LONG, "Zoë Ångström von und zu Hohenstein-Ødegård", *(f"buyer-{number:02}" for number in range(BUYERS - 2))]
OUTCOMES = ("paid", "paid", "processing", "declined", "paid")


def open_checkout(origin: str, user: str) -> str:
    """The URL of a new session of this user."""
    with httpx.Client(base_url=origin, timeout=60, trust_env=False) as client:
        client.post("/dev/sign-in", data={"user": user, "callbackUrl": "/account"}, headers={"origin": origin})
        answer = client.post("/api/billing/stripe/checkout", json={}, headers={"origin": origin})
    url = answer.json()["data"]["url"] if answer.status_code == 200 else ""
    return str(url)


def populate(origin: str, sandbox: str) -> None:
    """Forty buyers at every stage of a purchase."""
    with httpx.Client(base_url=f"{sandbox}/_sandbox", timeout=60, trust_env=False) as control:
        for place, user in enumerate(NAMES):
            if not (url := open_checkout(origin, user)):
                continue
            session = url.rpartition("/")[2].partition("#")[0]
            if place % 9 == 8:
                continue
            outcome = {"outcome": OUTCOMES[place % len(OUTCOMES)], "email": f"buyer{place}@example.com"}
            paid = control.post(f"/checkout/{session}/pay", json=outcome).json()
            follow(control, place, paid)


def follow(control: httpx.Client, place: int, session: dict[str, Any]) -> None:
    intent = session.get("payment_intent")
    if session.get("payment_status") != "paid":
        return
    if place % 4 == 0:
        control.post("/refunds", json={"payment_intent": intent, "amount": 1000})
    if place % 6 == 0:
        control.post("/disputes", json={"payment_intent": intent})
    if place % 7 == 0:
        control.post("/refunds", json={"payment_intent": intent})


def shoot(page: Page, folder: Path, name: str, *, whole: bool = True) -> list[str]:
    """A page at each width; the names of those that scroll sideways."""
    sideways = []
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(120)
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=whole)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            sideways.append(f"{name} at {width}")
    return sideways


def pages_of(context: BrowserContext, folder: Path, theme: str, origin: str, sandbox: str) -> list[str]:
    """Every page; signed in as somebody with a long name who has paid."""
    page, found = context.new_page(), []
    found += shoot(visited(page, f"{origin}/pro"), folder, f"{theme}-pro-signed-out")
    found += shoot(visited(page, f"{origin}/account"), folder, f"{theme}-account-signed-out")
    form = {"user": LONG, "callbackUrl": "/account"}
    context.request.post(f"{origin}/dev/sign-in", form=form, headers={"origin": origin}, max_redirects=0)
    for path in ("/pro", "/account", "/legal", "/dev/sign-in", "/nope"):
        found += shoot(visited(page, origin + path), folder, f"{theme}{path.replace('/', '-')}")
    portal = context.request.post(f"{origin}/api/billing/stripe/portal", data={}, headers={"origin": origin})
    if portal.ok:
        found += shoot(visited(page, portal.json()["data"]["url"]), folder, f"{theme}-portal")
        invoice = page.locator("a[href^='/invoices/']").first
        if invoice.count():
            found += shoot(visited(page, sandbox + str(invoice.get_attribute("href"))), folder, f"{theme}-invoice")
    form = {"user": NAMES[2], "callbackUrl": "/account"}
    context.request.post(f"{origin}/dev/sign-in", form=form, headers={"origin": origin}, max_redirects=0)
    for path in ("/pro", "/account"):
        found += shoot(visited(page, origin + path), folder, f"{theme}{path.replace('/', '-')}-processing")
    found += hosted_pages(context, page, folder, theme, origin, sandbox)
    page.goto(sandbox)
    page.wait_for_timeout(2500)  # it asks the gateway what it says of each buyer
    found += shoot(page, folder, f"{theme}-room", whole=False)
    page.get_by_label("Search buyers").fill(LONG[:20])
    found += shoot(page, folder, f"{theme}-room-long", whole=False)
    page.get_by_label("Search buyers").fill("dispute")
    page.get_by_role("button", name="Open all").click()
    found += shoot(page, folder, f"{theme}-room-disputes")
    page.get_by_label("Search buyers").fill("nobody is called so")
    return found + shoot(page, folder, f"{theme}-room-none", whole=False)


def hosted_pages(context: BrowserContext, page: Page, folder: Path, theme: str, origin: str, sandbox: str) -> list[str]:
    """The checkout: open, mistyped, declined, paid, expired, unknown; and the returns from it."""
    user = f"looking-{theme}"
    url = open_checkout(origin, user)
    found = shoot(visited(page, url), folder, f"{theme}-checkout")
    page.get_by_label("Email").fill("n")
    for field, value in (("Card number", "1234"), ("Expiry", "01 / 20"), ("CVC", "1")):
        page.get_by_label(field).fill(value)
    page.evaluate("document.querySelector('form:has([name=card])').noValidate = true")
    page.get_by_role("button", name="Pay").click()
    found += shoot(page, folder, f"{theme}-checkout-mistyped")
    card = {"email": "a@example.com", "card": "4000000000000002", "expiry": "12 / 40", "cvc": "123"}
    for field, value in (("Email", card["email"]), ("Card number", card["card"]), ("Expiry", card["expiry"]), ("CVC", card["cvc"])):
        page.get_by_label(field).fill(value)
    page.get_by_role("button", name="Pay").click()
    found += shoot(page, folder, f"{theme}-checkout-declined")
    form = {"user": user, "callbackUrl": "/account"}
    context.request.post(f"{origin}/dev/sign-in", form=form, headers={"origin": origin}, max_redirects=0)
    for query in ("?checkout=cancel&source=direct", "?billing_error=rate_limited"):
        found += shoot(visited(page, f"{origin}/account{query}"), folder, f"{theme}-account-{query[1:8]}")
    page.goto(url)
    page.get_by_label("Email").fill("a@example.com")
    for field, value in (("Card number", "4242424242424242"), ("Expiry", "12 / 40"), ("CVC", "123")):
        page.get_by_label(field).fill(value)
    page.get_by_role("button", name="Pay").click()
    page.get_by_text("Pro active", exact=True).wait_for()
    found += shoot(page, folder, f"{theme}-account-returned")
    found += shoot(visited(page, url), folder, f"{theme}-checkout-paid")
    other = open_checkout(origin, f"looking-too-{theme}")
    context.request.post(f"{sandbox}/_sandbox/checkout/{other.rpartition('/')[2]}/expire")
    found += shoot(visited(page, other), folder, f"{theme}-checkout-expired")
    return found + shoot(visited(page, f"{sandbox}/c/pay/cs_test_none"), folder, f"{theme}-checkout-unknown")


def desk_pages(context: BrowserContext, folder: Path, theme: str, desk: str, link: str) -> list[str]:
    """The support desk's: a stranger's, search, buyers with long names and with much history, Today."""
    page = context.new_page()
    found = shoot(visited(page, desk), folder, f"{theme}-desk-stranger")
    page.goto(link)
    found += shoot(page, folder, f"{theme}-desk-find")
    for name, what in {"long": LONG, "zoe": NAMES[1], "processing": NAMES[2], "disputed": NAMES[6], "unknown": "nobody", "email": "buyer4@example.com"}.items():
        page.goto(desk)
        page.get_by_label("Find a buyer").fill(what)
        page.get_by_role("button", name="Find").click()
        page.wait_for_load_state()
        found += shoot(page, folder, f"{theme}-desk-{name}")
    found += shoot(visited(page, f"{desk}/today"), folder, f"{theme}-desk-today")
    return found + shoot(visited(page, f"{desk}/nope"), folder, f"{theme}-desk-nope")


def sheets(browser: Browser, folder: Path) -> None:
    """One picture of each page in its three widths."""
    page = browser.new_page(viewport={"width": sum(WIDTHS) + 40, "height": 400})
    widest = max(WIDTHS)
    for last in sorted(folder.glob(f"*-{widest}.png")):
        name = last.name.removesuffix(f"-{widest}.png")
        pictures = "".join(f'<img src="data:image/png;base64,{encoded(folder / f"{name}-{width}.png")}">' for width in WIDTHS)
        page.set_content(f"<body style='margin:0;display:flex;gap:20px;align-items:start;background:#888'>{pictures}")
        page.screenshot(path=folder / f"sheet-{name}.png", full_page=True)
    page.close()


def encoded(picture: Path) -> str:
    return base64.b64encode(picture.read_bytes()).decode()


def visited(page: Page, url: str) -> Page:
    page.goto(url)
    page.wait_for_timeout(150)
    return page


def look(browser: Browser, folder: Path, stack: dict[str, Any]) -> list[str]:
    found = []
    for theme in ("light", "dark"):
        context = browser.new_context(color_scheme=theme, reduced_motion="reduce", locale="en-US")
        found += pages_of(context, folder, theme, stack["nextauth_url"], stack["sandbox"]["url"])
        stack = json.loads(stack_file().read_text())  # a link to the desk works once
        found += desk_pages(context, folder, theme, stack["desk"]["url"], stack["desk"]["sign_in_url"])
        context.close()
    return found


def stack_file() -> Path:
    return Path(os.environ.get("ATLAS_HOME", WORKSPACE / ".atlas")) / "stack.json"


def main() -> int:
    stack = json.loads(stack_file().read_text())
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else WORKSPACE / "test-results" / "looked-at")
    folder.mkdir(parents=True, exist_ok=True)
    populate(stack["nextauth_url"], stack["sandbox"]["url"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        found = look(browser, folder, stack)
        sheets(browser, folder)
        browser.close()
    sys.stdout.write("".join(f"scrolls sideways: {name}\n" for name in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
