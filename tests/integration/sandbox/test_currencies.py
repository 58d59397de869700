"""Prices with ``currency_options``: the buyer chooses the currency, and the session is in it from then on."""

from __future__ import annotations

import re

import pytest
import stripe

from .test_pages import CARD, visit


@pytest.fixture
def price(client):
    return client.v1.prices.create(
        {
            "unit_amount": 4900,
            "currency": "usd",
            "product_data": {"name": "Atlas Pro"},
            "currency_options": {"eur": {"unit_amount": 4500}, "jpy": {"unit_amount": 7300}},
        }
    )


@pytest.fixture
def session(new_session, price):
    return new_session(line_items=[{"price": price.id, "quantity": 1}], invoice_creation={"enabled": True})


def amounts(session):
    return session["currency"], session["amount_subtotal"], session["amount_total"]


def test_paying_in_the_buyers_currency_makes_everything_that_currencys(sandbox, client, session):
    assert amounts(session) == ("usd", 4900, 4900)
    answer = sandbox.control("POST", f"/checkout/{session.id}/pay", {"outcome": "paid", "currency": "eur"})
    assert amounts(answer) == ("eur", 4500, 4500)
    intent = client.v1.payment_intents.retrieve(answer["payment_intent"], {"expand": ["latest_charge"]})
    charge = intent.latest_charge
    assert (intent.currency, intent.amount_received, charge.currency, charge.amount) == ("eur", 4500, "eur", 4500)
    items = client.v1.checkout.sessions.line_items.list(session.id).data
    assert [(item.currency, item.amount_total, item.price.currency) for item in items] == [("eur", 4500, "usd")]
    invoice = client.v1.invoices.retrieve(answer["invoice"])
    assert (invoice.currency, invoice.total, invoice.lines.data[0].currency) == ("eur", 4500, "eur")


def test_a_currency_that_the_price_does_not_offer_is_refused_and_nothing_is_paid(sandbox, client, session):
    status, answer = sandbox.http("POST", f"/_sandbox/checkout/{session.id}/pay", {"currency": "gbp"})
    assert (status, answer["error"]["param"]) == (400, "currency")
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_a_session_made_in_one_currency_offers_no_other(sandbox, client, new_session, price):
    items = [{"price": price.id, "quantity": 2}]
    session = new_session(line_items=items, currency="eur")
    assert amounts(session) == ("eur", 9000, 9000)
    assert sandbox.http("POST", f"/_sandbox/checkout/{session.id}/pay", {"currency": "usd"})[0] == 400
    with pytest.raises(stripe.InvalidRequestError, match=r"only supports `usd`.*expected currency: `gbp`"):
        new_session(line_items=items, currency="gbp")


def test_the_page_offers_the_currencies_and_takes_the_chosen_one(client, session):
    text = visit(session.url)[2]
    choices = dict(re.findall(r'<button[^>]*name="currency" value="(\w+)"[^>]*aria-pressed="(\w+)"', text))
    assert choices == {"usd": "true", "eur": "false", "jpy": "false"}
    assert visit(f"{session.url}/currency", {"currency": "eur"})[0] == 303
    assert re.search(r"<button[^>]*>Pay €45\.00</button>", visit(session.url)[2])
    assert visit(session.url, CARD)[0] == 303
    assert amounts(client.v1.checkout.sessions.retrieve(session.id)) == ("eur", 4500, 4500)


def test_a_price_of_one_currency_shows_no_choice(new_session):
    assert 'name="currency"' not in visit(new_session().url)[2]


def test_after_a_decline_the_other_currency_is_what_is_charged(sandbox, client, session):
    sandbox.pay(session.id, "declined")
    answer = sandbox.control("POST", f"/checkout/{session.id}/pay", {"currency": "eur"})
    intent = client.v1.payment_intents.retrieve(answer["payment_intent"])
    assert (intent.currency, intent.amount, intent.amount_received) == ("eur", 4500, 4500)
