"""The sandbox's control room with more buyers than fit on a screen: found, folded, newest first, the switches in view."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from support.buyer import new_user
from support.shopper import DECLINED, Shopper
from support.stack import Stack

BUYERS = 12
FITS = "document.documentElement.scrollWidth <= innerWidth"


class Room:
    """The control room, and buyers who come to it through the product."""

    def __init__(self, stack: Stack) -> None:
        self.url = stack.url("sandbox")
        self.origin = stack.url("account-gateway")
        self.control = httpx.Client(base_url=f"{self.url}/_sandbox", timeout=30, trust_env=False)

    def buys(self, user: str, **outcome: str) -> str:
        """A new session of this user, paid if an outcome is given; its id."""
        with httpx.Client(base_url=self.origin, timeout=30, trust_env=False) as browser:
            headers = {"origin": self.origin}
            browser.post("/dev/sign-in", data={"user": user, "callbackUrl": "/account"}, headers=headers)
            answer = browser.post("/api/billing/stripe/checkout", json={}, headers=headers)
        found = re.search(r"cs_[A-Za-z0-9_]+", answer.json()["data"]["url"])
        assert found
        if outcome:
            self.control.post(f"/checkout/{found[0]}/pay", json=outcome).raise_for_status()
        return found[0]


@pytest.fixture(scope="module")
def room(stack: Stack) -> Iterator[Room]:
    room = Room(stack)
    yield room
    room.control.put("/delivery", json={})
    room.control.close()


@pytest.fixture(scope="module")
def buyers(room: Room) -> list[str]:
    """The oldest first; the last one has paid."""
    prefix = new_user("room")
    names = [f"{prefix}-{number}" for number in range(BUYERS)]
    for name in names[:-1]:
        room.buys(name)
    room.buys(names[-1], outcome="paid", email="last@example.com")
    return names


def shown(page: Page, room: Room) -> Page:
    page.goto(room.url)
    expect(page.locator("details.buyer").first).to_be_visible()
    return page


def test_buyers_stand_newest_first_folded_and_counted_and_are_found(page: Page, room: Room, buyers: list[str]) -> None:
    shown(page, room)
    first = page.locator("details.buyer").first
    expect(first).to_contain_text(buyers[-1])
    expect(first.get_by_role("button", name="Refund in full")).to_be_visible()
    expect(page.locator("details.buyer[open]")).to_have_count(1)
    expect(page.locator("#buyer-counts")).to_have_text(re.compile(r"^\d+ · \d+ paid$"))

    page.get_by_label("Search buyers").fill(f"{buyers[0][:-2]}-1")
    expect(page.locator("details.buyer .name")).to_have_text([buyers[11], buyers[10], buyers[1]])
    expect(page.locator("#buyer-counts")).to_have_text(re.compile(r"^3 of \d+"))
    page.get_by_role("button", name="Close all").click()
    expect(page.locator("details.buyer[open]")).to_have_count(0)
    page.get_by_role("button", name="Open all").click()
    expect(page.locator("details.buyer[open]")).to_have_count(3)

    page.get_by_label("Search buyers").fill("LAST@example.com")
    expect(page.locator("details.buyer .name")).to_have_text([buyers[11]])
    page.get_by_label("Search buyers").fill("nobody has this")
    expect(page.get_by_text("Nobody matches.")).to_be_visible()


def test_what_somebody_folded_stays_so_while_news_arrive(page: Page, room: Room, buyers: list[str]) -> None:
    shown(page, room)
    page.get_by_label("Search buyers").fill(buyers[3])
    box = page.locator("details.buyer")
    box.locator("summary").click()
    expect(box).not_to_have_attribute("open", "")
    late = new_user("late")
    room.buys(late)
    page.get_by_label("Search buyers").fill(late)
    expect(box).to_contain_text(late)
    page.get_by_label("Search buyers").fill(buyers[3])
    expect(box).not_to_have_attribute("open", "")


def test_an_event_says_whose_it_is_how_much_and_its_id(page: Page, room: Room, buyers: list[str]) -> None:
    shown(page, room).get_by_label("Search buyers").fill(buyers[-1])
    completed = page.locator(".event").filter(has_text="checkout.session.completed")
    expect(completed).to_have_count(1)
    expect(completed).to_contain_text(buyers[-1])
    expect(completed).to_contain_text("$49.00")
    expect(completed).to_contain_text(re.compile(r"evt_[A-Za-z0-9]{10,}"))


def test_the_switches_stay_in_view_and_no_button_stands_alone(page: Page, room: Room, buyers: list[str]) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    shown(page, room).get_by_role("button", name="Open all").click()
    page.mouse.wheel(0, 3000)
    for name in ("Deliver", "Hold", "Drop"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_in_viewport()
    assert page.evaluate(FITS)
    paid = page.locator("details.buyer").filter(has_text=buyers[-1])
    tops = [button.bounding_box()["y"] for button in paid.locator(".charge > .acts > *").all()]
    assert min(tops.count(top) for top in tops) > 1 or len(tops) < 4, f"a button alone in its row: {tops}"
    for event in page.locator(".event").all()[:5]:
        resend, time = event.locator(".again").bounding_box(), event.locator("time").bounding_box()
        assert resend["x"] == time["x"], "under the time, not in a line of its own"


def test_beside_an_open_dispute_the_one_button_that_is_left_stands_in_the_line_of_its_charge(page: Page, room: Room) -> None:
    user = new_user("disputed")
    session = room.buys(user, outcome="paid")
    charge = room.control.get("/state").json()["buyers"][0]["sessions"][0]["charges"][0]["id"]
    room.control.post("/disputes", json={"charge": charge}).raise_for_status()
    assert session
    shown(page, room)
    for width in (375, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        disputed = page.locator("details.buyer").filter(has_text=user)
        expect(disputed.locator(".charge-head").get_by_role("button", name="Fraud warning")).to_be_visible()
        expect(disputed.locator(".charge > .acts")).to_have_count(0)
        row = disputed.locator(".sub > .acts")
        right = max(act.bounding_box()["x"] + act.bounding_box()["width"] for act in row.locator("> *").all())
        last = row.locator("> *").last.bounding_box()
        assert abs(last["x"] + last["width"] - right) < 1, "the last one fills its row"


def test_on_a_phone_buyers_come_first_and_the_delivery_is_at_hand(page: Page, room: Room, buyers: list[str]) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    shown(page, room)
    assert page.evaluate(FITS)
    tops = {name: page.get_by_role("heading", name=name).bounding_box()["y"] for name in ("Buyers", "Events", "Webhooks")}
    assert tops["Buyers"] < tops["Events"] < tops["Webhooks"]
    assert tops["Buyers"] < 400, "on the first screen"
    expect(page.get_by_role("button", name="Hold", exact=True)).to_be_in_viewport()


def test_release_shines_only_while_something_is_held(page: Page, room: Room) -> None:
    page.goto(room.url)
    release = page.get_by_role("button", name=re.compile("^Release"))
    expect(release).not_to_have_class(re.compile("pill-primary"))
    page.get_by_role("button", name="Hold", exact=True).click()
    expect(page.get_by_text("Events wait here until you release them.")).to_be_visible()
    expect(release).not_to_have_class(re.compile("pill-primary"))
    room.buys(new_user("held"), outcome="paid")
    expect(release).to_have_class(re.compile("pill-primary"))
    expect(release).to_have_text("Release 1 now")
    release.click()
    expect(release).not_to_have_class(re.compile("pill-primary"))
    page.get_by_role("button", name="Deliver", exact=True).click()


def test_a_new_buyer_signs_in_and_comes_to_the_offer(page: Page, room: Room) -> None:
    page.goto(room.url)
    page.get_by_role("link", name="New buyer").click()
    page.get_by_label("User name").fill(new_user("new"))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Upgrade to Pro")).to_be_visible()


def test_the_portal_lists_what_paid_and_the_email_that_was_entered(shopper: Shopper) -> None:
    shopper.go_to_checkout()
    shopper.fill_card(DECLINED)
    shopper.press_pay()
    expect(shopper.page.get_by_role("alert")).to_be_visible()
    shopper.pay("5555 5555 5555 4444")
    shopper.sees_badge("Pro active")
    shopper.page.get_by_role("link", name="Manage billing / invoices").click()
    expect(shopper.page.get_by_role("heading", name="Billing details")).to_be_visible()
    expect(shopper.page.get_by_text(f"{shopper.user}@example.com")).to_be_visible()
    expect(shopper.page.get_by_text("•••• 4444")).to_be_visible()
    expect(shopper.page.get_by_text("•••• 0002")).to_have_count(0)
    expect(shopper.page.locator(".invoices li")).to_have_count(1)
