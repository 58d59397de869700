"""``automatic_tax`` and ``tax_id_collection``: what Checkout asks for, and what they do to the amounts."""

from __future__ import annotations

import re

import pytest
import stripe

from .test_pages import CARD, visit


def test_tax_comes_on_top_when_the_buyer_is_known_and_the_subtotal_stays(sandbox, new_session):
    session = new_session(automatic_tax={"enabled": True})
    assert (session.amount_total, session.automatic_tax.status) == (4900, "requires_location_inputs")
    answer = sandbox.pay(session.id)
    assert (answer["amount_subtotal"], answer["amount_total"]) == (4900, 5390)
    assert answer["total_details"] == {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 490}
    assert answer["automatic_tax"]["status"] == "complete"


def test_the_charge_and_the_invoice_carry_the_tax(sandbox, client, new_session):
    coupon = client.v1.coupons.create({"percent_off": 50})
    more = {"invoice_creation": {"enabled": True}, "discounts": [{"coupon": coupon.id}]}
    answer = sandbox.pay(new_session(automatic_tax={"enabled": True}, **more).id)
    assert (answer["amount_subtotal"], answer["amount_total"]) == (4900, 2450 + 245)
    assert client.v1.payment_intents.retrieve(answer["payment_intent"]).amount_received == 2695
    invoice = client.v1.invoices.retrieve(answer["invoice"])
    assert (invoice.total, invoice.total_excluding_tax) == (2695, 2450)


def test_tax_that_a_price_includes_does_not_raise_the_total(sandbox, client, new_session):
    price = client.v1.prices.create(
        {"unit_amount": 1100, "currency": "usd", "tax_behavior": "inclusive", "product_data": {"name": "Gross"}}
    )
    items = [{"price": price.id, "quantity": 1}]
    answer = sandbox.pay(new_session(line_items=items, automatic_tax={"enabled": True}).id)
    assert (answer["amount_total"], answer["total_details"]["amount_tax"]) == (1100, 100)


def test_the_page_shows_the_tax_and_asks_for_the_whole(new_session, client):
    session = new_session(automatic_tax={"enabled": True})
    text = visit(session.url)[2]
    assert re.search(r"Tax.*\$4\.90", text, re.DOTALL)
    assert re.search(r"<button[^>]*>Pay \$53\.90</button>", text)
    assert visit(session.url, CARD)[0] == 303
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 5390


def test_a_known_customer_needs_an_address_or_leave_to_save_one(sandbox, client, new_session):
    customer = client.v1.customers.create({"email": "tax@example.com"})
    with pytest.raises(stripe.InvalidRequestError, match="requires a valid address on the Customer") as caught:
        new_session(customer=customer.id, automatic_tax={"enabled": True})
    assert caught.value.code == "customer_tax_location_invalid"
    allowed = {"customer": customer.id, "customer_update": {"address": "auto"}}
    sandbox.pay(new_session(automatic_tax={"enabled": True}, **allowed).id)
    assert client.v1.customers.retrieve(customer.id).address.country == "US"
    located = new_session(customer=customer.id, automatic_tax={"enabled": True})
    assert (located.amount_subtotal, located.amount_total) == (4900, 5390)


def test_collecting_tax_ids_of_a_known_customer_needs_leave_to_save_the_name(client, new_session):
    assert new_session(tax_id_collection={"enabled": True}).tax_id_collection.enabled
    customer = client.v1.customers.create({"email": "tax@example.com"})
    with pytest.raises(stripe.InvalidRequestError, match=r"customer_update\[name\]"):
        new_session(customer=customer.id, tax_id_collection={"enabled": True})
    update = {"customer_update": {"name": "auto"}}
    session = new_session(customer=customer.id, tax_id_collection={"enabled": True}, **update)
    assert (session.tax_id_collection.enabled, session.tax_id_collection.required) == (True, "never")


def test_updating_a_customer_needs_a_customer(new_session):
    with pytest.raises(stripe.InvalidRequestError, match="customer_update"):
        new_session(customer_update={"address": "auto"})
