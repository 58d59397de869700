"""Inactive prices and products, and customers that were deleted."""

from __future__ import annotations

import pytest
import stripe

from .conftest import params
from .test_pages import CARD, visit


def test_a_price_of_an_inactive_product_cannot_be_bought(client, new_session):
    price = client.v1.prices.create({"unit_amount": 900, "currency": "usd", "product_data": {"name": "Old"}})
    client.v1.products.update(price.product, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="not available to be purchased") as caught:
        new_session(line_items=[{"price": price.id, "quantity": 1}])
    assert (caught.value.http_status, caught.value.param) == (400, "line_items[0][price]")
    assert str(price.id) in str(caught.value)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_links.create({"line_items": [{"price": price.id, "quantity": 1}]})
    client.v1.products.update(price.product, {"active": True})
    assert new_session(line_items=[{"price": price.id, "quantity": 1}]).amount_total == 900


def test_an_inline_price_still_sells(new_session):
    data = {"currency": "usd", "unit_amount": 900, "product_data": {"name": "Sticker"}}
    assert new_session(line_items=[{"price_data": data, "quantity": 1}]).amount_total == 900


@pytest.fixture
def orphan(client, new_session):
    customer = client.v1.customers.create({"email": "gone@example.com"})
    session = new_session(customer=customer.id, invoice_creation={"enabled": True})
    client.v1.customers.delete(customer.id)
    return customer, session


def test_a_deleted_customer_is_a_stub_and_takes_part_in_nothing_new(client, orphan):
    customer, _ = orphan
    assert client.v1.customers.retrieve(customer.id).to_dict() == {
        "id": customer.id,
        "object": "customer",
        "deleted": True,
    }
    for call in (
        lambda: client.v1.checkout.sessions.create(params(customer=customer.id)),
        lambda: client.v1.billing_portal.sessions.create({"customer": customer.id}),
        lambda: client.v1.payment_intents.create({"amount": 900, "currency": "usd", "customer": customer.id}),
    ):
        with pytest.raises(stripe.InvalidRequestError, match=f"No such customer: '{customer.id}'") as caught:
            call()
        assert (caught.value.http_status, caught.value.code, caught.value.param) == (
            400,
            "resource_missing",
            "customer",
        )


@pytest.mark.parametrize("outcome", ["paid", "processing", "declined"])
def test_the_open_session_of_a_deleted_customer_cannot_be_paid(sandbox, client, orphan, outcome):
    customer, session = orphan
    status, answer = sandbox.http("POST", f"/_sandbox/checkout/{session.id}/pay", {"outcome": outcome})
    assert (status, answer["error"]["code"]) == (400, "resource_missing")
    assert customer.id in answer["error"]["message"]
    found = client.v1.checkout.sessions.retrieve(session.id)
    assert (found.status, found.payment_status, found.payment_intent) == ("open", "unpaid", None)


def test_the_page_of_a_session_whose_customer_was_deleted_says_so(orphan):
    _, session = orphan
    for answer in (visit(session.url), visit(session.url, CARD)):
        assert answer[0] == 410
        assert "can't be paid any more" in answer[2]
        assert "Nothing was charged" in answer[2]
        assert "Card number" not in answer[2]


def test_a_debit_under_way_settles_although_its_customer_is_gone(sandbox, client, new_session):
    customer = client.v1.customers.create({"email": "gone@example.com"})
    session = new_session(customer=customer.id, invoice_creation={"enabled": True})
    sandbox.pay(session.id, "processing")
    client.v1.customers.delete(customer.id)
    answer = sandbox.control("POST", f"/checkout/{session.id}/settle", {"result": "succeeded"})
    assert (answer["payment_status"], answer["invoice"]) == ("paid", None)
