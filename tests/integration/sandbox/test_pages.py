"""The pages, as a browser without JavaScript meets them."""

from __future__ import annotations

import concurrent.futures
import html
import re
import urllib.error
import urllib.parse
import urllib.request

import pytest

from .conftest import eventually

CARD = {"email": "web@example.com", "card": "4242 4242 4242 4242", "expiry": "12 / 40", "cvc": "123"}


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args, **_kwargs):
        return None


def visit(url, form=None, **headers):
    """Status, headers and text of one request, redirects shown and not followed."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=15) as answer:
            return answer.status, answer.headers, html.unescape(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, html.unescape(error.read().decode())


def test_the_form_shows_what_is_sold_and_the_contracts_labels(new_session):
    status, headers, text = visit(new_session().url)
    assert status == 200
    for label in ("Email", "Card number", "Expiry", "CVC"):
        assert re.search(rf"<label for=\"\w+\">{label}</label>", text)
    assert re.search(r"<button[^>]*>Pay \$49\.00</button>", text)
    assert re.search(r"<button[^>]*>Cancel</button>", text)
    assert "Sandbox — no real money" in text
    for number in ("4242 4242 4242 4242", "4000 0000 0000 0002", "4000 0000 0000 0077"):
        assert number in text
    policy = headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", text)
    assert not re.search(r"(src|href)=\"(https?:)?//(?!shop\.test|127\.0\.0\.1)", text)


def test_paying_goes_back_to_the_shop_with_the_session_filled_in(client, new_session):
    session = new_session()
    status, headers, _ = visit(session.url, CARD)
    assert status == 303
    assert headers["location"] == f"http://shop.test/account?checkout=success&checkout_session_id={session.id}"
    found = client.v1.checkout.sessions.retrieve(session.id)
    assert (found.payment_status, found.customer_details.email) == ("paid", "web@example.com")


def test_paying_twice_pays_once(client, new_session):
    session = new_session()
    first, second = visit(session.url, CARD), visit(session.url, CARD)
    assert first[0] == second[0] == 303
    assert first[1]["location"] == second[1]["location"]
    intent = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert len(client.v1.charges.list({"payment_intent": intent}).data) == 1


def test_pressing_pay_many_times_at_once_pays_once_and_breaks_nothing(client, new_session):
    session = new_session()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert {answer[0] for answer in pool.map(lambda _: visit(session.url, CARD), range(24))} == {303}
    intent = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert len(client.v1.charges.list({"payment_intent": intent}).data) == 1


def test_the_redirect_waits_for_the_webhooks_answer(sandbox, new_session, endpoint, receiver):
    receiver.busy_seconds = 0.5
    session = new_session()
    visit(session.url, CARD)
    assert receiver.of("checkout.session.completed")
    sandbox.control("PUT", "/delivery", {"mode": "drop"})
    assert visit(new_session().url, CARD)[0] == 303


@pytest.mark.parametrize("card", ["4000 0000 0000 0002", "4000000000009995"])
def test_a_decline_is_said_and_leaves_the_form_open(client, new_session, card):
    session = new_session()
    status, _, text = visit(session.url, {**CARD, "card": card})
    assert status == 402
    assert 'role="alert"' in text
    assert re.search("declined|insufficient", text.split('role="alert"')[1])
    assert card not in re.findall(r'value="([^"]*)"', text)
    assert visit(session.url, CARD)[0] == 303


def test_a_bank_debit_completes_unpaid(client, new_session):
    session = new_session()
    assert visit(session.url, {**CARD, "card": "4000 0000 0000 0077"})[0] == 303
    found = client.v1.checkout.sessions.retrieve(session.id)
    assert (found.status, found.payment_status) == ("complete", "unpaid")


def test_a_bank_debit_is_not_offered_where_it_is_excluded(client, new_session):
    session = new_session(excluded_payment_method_types=["us_bank_account"])
    assert "0077" not in visit(session.url)[2]
    assert visit(session.url, {**CARD, "card": "4000 0000 0000 0077"})[0] == 422


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("card", "1234"),
        ("card", "<script>alert(1)</script>"),
        ("expiry", "01/20"),
        ("expiry", "13/40"),
        ("cvc", "x"),
    ],
)
def test_what_is_wrong_is_said_field_by_field(client, new_session, field, value):
    session = new_session()
    status, _, text = visit(session.url, {**CARD, field: value})
    assert status == 422
    assert text.count('aria-invalid="true"') == 1
    assert "<script>alert" not in text
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_cancel_goes_back_and_leaves_the_session_open(client, new_session):
    session = new_session()
    status, headers, _ = visit(session.url + "/cancel", {})
    assert (status, headers["location"]) == (303, "http://shop.test/account?checkout=cancel")
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_closed_and_unknown_sessions_have_proper_pages(sandbox, client, new_session):
    expired, done = new_session(), new_session()
    client.v1.checkout.sessions.expire(expired.id)
    sandbox.pay(done.id)
    for session, status, words in (
        (expired, 410, "has expired"),
        (done, 200, "all done"),
        (None, 404, "no such checkout"),
    ):
        answer = visit(f"{sandbox.url}/c/pay/{session.id if session else 'cs_test_none'}")
        assert answer[0] == status
        assert words in answer[2]
    assert visit(f"{sandbox.url}/c/pay/{expired.id}", CARD)[0] == 410


def test_a_free_order_needs_no_card(client, new_session):
    coupon = client.v1.coupons.create({"percent_off": 100})
    session = new_session(discounts=[{"coupon": coupon.id}])
    assert "Card number" not in visit(session.url)[2]
    assert visit(session.url, {"email": "free@example.com"})[0] == 303
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "no_payment_required"


def test_the_known_customers_email_is_filled_in(client, new_session):
    customer = client.v1.customers.create({"email": "known@example.com"})
    assert 'value="known@example.com"' in visit(new_session(customer=customer.id).url)[2]


@pytest.fixture
def portal(client, paid):
    customer = client.v1.customers.create({"email": "portal@example.com", "name": "Paula"})
    session = paid(customer=customer.id, invoice_creation={"enabled": True})
    configuration = client.v1.billing_portal.configurations.create(
        {
            "features": {
                "invoice_history": {"enabled": True},
                "customer_update": {"enabled": True, "allowed_updates": ["name"]},
            }
        }
    )
    made = client.v1.billing_portal.sessions.create(
        {"customer": customer.id, "configuration": configuration.id, "return_url": "http://shop.test/account"}
    )
    return customer, session, made


def test_the_portal_shows_invoices_that_can_be_printed_and_the_way_back(sandbox, client, portal):
    _customer, session, made = portal
    status, _, text = visit(made.url)
    assert status == 200
    assert 'href="http://shop.test/account"' in text
    assert "Invoice history" in text
    invoice = client.v1.invoices.retrieve(session.invoice)
    assert invoice.number in text
    assert f'href="/invoices/{invoice.id}"' in text
    for url in (invoice.hosted_invoice_url, invoice.invoice_pdf, session.payment_intent.latest_charge.receipt_url):
        assert visit(url)[0] == 200
    client.v1.refunds.create({"payment_intent": session.payment_intent.id})
    assert "Refunded" in visit(invoice.hosted_invoice_url)[2]
    assert visit(sandbox.url + "/p/session/test_none")[0] == 404
    assert visit(sandbox.url + "/invoices/in_none")[0] == 404


def test_customers_change_what_the_configuration_allows(client, portal):
    customer, _, made = portal
    assert visit(made.url, {"name": "Pauline", "email": "evil@example.com"})[0] == 303
    found = client.v1.customers.retrieve(customer.id)
    assert (found.name, found.email) == ("Pauline", "portal@example.com")


def test_a_portal_needs_a_configuration(start_sandbox):
    import stripe

    fresh = start_sandbox().client()
    customer = fresh.v1.customers.create({})
    with pytest.raises(stripe.InvalidRequestError, match="No configuration provided"):
        fresh.v1.billing_portal.sessions.create({"customer": customer.id})


def test_the_control_room_and_its_state(sandbox, client, new_session, endpoint):
    session = new_session(metadata={"userId": "room-user"})
    sandbox.pay(session.id)
    assert "Control room" in visit(sandbox.url + "/")[2]
    status, state = sandbox.http("GET", "/_sandbox/state")
    assert status == 200
    buyer = next(each for each in state["buyers"] if each["user"] == "room-user")
    assert buyer["sessions"][0]["id"] == session.id
    assert buyer["sessions"][0]["charges"][0]["refundable"]
    assert any(event["type"] == "checkout.session.completed" and event["deliveries"] for event in state["events"])
    tag = eventually(lambda: visit(sandbox.url + "/_sandbox/state")[1]["etag"])
    eventually(
        lambda: (
            visit(
                sandbox.url + "/_sandbox/state", **{"If-None-Match": visit(sandbox.url + "/_sandbox/state")[1]["etag"]}
            )[0]
            == 304
        )
    )
    sandbox.control("PUT", "/api", {"latency_ms": 1})
    assert visit(sandbox.url + "/_sandbox/state", **{"If-None-Match": tag})[0] == 200
    assert sandbox.http("GET", "/_sandbox/entitlements?user=room-user") == (200, {"data": {"room-user": None}})


def test_the_portal_lists_only_what_paid(sandbox, client, new_session):
    customer = client.v1.customers.create({})
    session = new_session(customer=customer.id, invoice_creation={"enabled": True})
    assert visit(session.url, {**CARD, "card": "4000 0000 0000 0002", "email": "typed@example.com"})[0] != 303
    assert visit(session.url, {**CARD, "email": "typed@example.com"})[0] == 303
    shown = client.v1.billing_portal.configurations.create({"features": {"invoice_history": {"enabled": True}}})
    made = client.v1.billing_portal.sessions.create({"customer": customer.id, "configuration": shown.id})
    text = visit(made.url)[2]
    assert "typed@example.com" in text and "4242" in text and "0002" not in text


def test_an_event_in_the_room_says_whose_it_is_and_how_much(sandbox, client, new_session, endpoint):
    session = new_session(metadata={"userId": "event-user"})
    sandbox.pay(session.id)
    intent = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    client.v1.refunds.create({"payment_intent": intent, "amount": 700})
    dispute = sandbox.control("POST", "/disputes", {"payment_intent": intent})
    events = sandbox.http("GET", "/_sandbox/state")[1]["events"]
    told = {event["type"]: (event["user"], event["amount"]) for event in events if event["user"] == "event-user"}
    assert told["checkout.session.completed"] == ("event-user", "$49.00")
    assert told["charge.refunded"] == told["refund.created"] == ("event-user", "$7.00")
    assert told["charge.dispute.created"] == ("event-user", "$42.00") and dispute["amount"] == 4200


def test_the_room_shows_more_buyers_than_fit_on_a_screen(start_sandbox):
    alone = start_sandbox()
    alone.control("POST", "/seed", {"sessions": [{"metadata": {"userId": f"u{place}"}} for place in range(60)]})
    state = alone.http("GET", "/_sandbox/state")[1]
    assert (len(state["buyers"]), state["paid"]) == (60, 60)
    users = "&".join(f"user=u{place}" for place in range(60))
    assert len(alone.http("GET", f"/_sandbox/entitlements?{users}")[1]["data"]) == 24, "a bounded number is asked about at once"


def test_other_sites_cannot_press_the_buttons(sandbox, new_session):
    session = new_session()
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert visit(f"{sandbox.url}/_sandbox/delivery/flush", {}, **cross)[0] == 403
    assert visit(session.url, CARD, **cross)[0] == 403


def test_a_name_that_turns_text_round_is_shown_with_that_character_visible(sandbox, client, new_session):
    session = new_session(invoice_creation={"enabled": True})
    sandbox.control("POST", f"/checkout/{session.id}/pay", {"outcome": "paid", "name": "ada\u202egnp.exe \x1b[31m <b>"})
    invoice = client.v1.checkout.sessions.retrieve(session.id).invoice
    _, _, text = visit(f"{sandbox.url}/invoices/{invoice}")
    assert "ada\\u202egnp.exe \\u001b[31m <b>" in text  # visit() has taken the escaping of markup away
    assert "\u202e" not in text


def test_the_page_fills_in_an_email_that_is_known_and_no_other(client, new_session):
    def filled_in(**more):
        _, _, text = visit(new_session(**more).url)
        return text.split('name="email"')[1].split('value="')[1].split('"')[0]

    assert filled_in() == ""
    assert filled_in(customer_email="known@example.com") == "known@example.com"
    assert filled_in(customer=client.v1.customers.create({"email": "saved@example.com"}).id) == "saved@example.com"
    assert filled_in(customer=client.v1.customers.create({"name": "Ada"}).id) == ""
