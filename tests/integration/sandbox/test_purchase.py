"""From the session to the money: every way a checkout can end."""

from __future__ import annotations

import concurrent.futures
import time

import pytest
import stripe

from .conftest import PRICE, eventually, params


def test_an_open_session_has_no_payment_intent_yet(new_session):
    session = new_session(
        metadata={"userId": "u1"}, client_reference_id="u1", payment_intent_data={"metadata": {"userId": "u1"}}
    )
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert (session.amount_total, session.currency, session.mode, session.livemode) == (4900, "usd", "payment", False)
    assert session.id in session.url
    assert session.expires_at == session.created + 24 * 3600
    assert session.metadata.to_dict() == {"userId": "u1"}


def test_paying_moves_the_money_and_copies_the_metadata_once(sandbox, client, paid):
    session = paid(
        metadata={"where": "session"}, payment_intent_data={"metadata": {"where": "payment"}}, client_reference_id="ref"
    )
    intent = session.payment_intent
    charge = intent.latest_charge
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert (intent.status, intent.amount_received, charge.paid, charge.captured) == ("succeeded", 4900, True, True)
    assert session.metadata.to_dict() == {"where": "session"}
    assert intent.metadata.to_dict() == charge.metadata.to_dict() == {"where": "payment"}
    client.v1.payment_intents.update(intent.id, {"metadata": {"where": "changed"}})
    assert client.v1.charges.retrieve(charge.id).metadata.to_dict() == {"where": "payment"}


def test_one_purchase_has_one_second(client, paid):
    session = paid()
    charge = client.v1.charges.retrieve(session.payment_intent.latest_charge.id, {"expand": ["balance_transaction"]})
    moments = {event.created for event in client.v1.events.list({"limit": 20}).data if about(event, session, charge)}
    assert moments == {charge.created} == {charge.balance_transaction.created}


def about(event, session, charge) -> bool:
    return event.data.object.id in {session.id, charge.id, charge.payment_intent}


def test_a_decline_leaves_the_session_open_and_a_failed_charge_behind(sandbox, client, new_session):
    session = new_session()
    answer = sandbox.pay(session.id, "declined")
    assert (answer["id"], answer["status"], answer["payment_status"]) == (session.id, "open", "unpaid")
    intent = client.v1.payment_intents.retrieve(answer["payment_intent"], {"expand": ["latest_charge"]})
    assert (intent.status, intent.last_payment_error.code) == ("requires_payment_method", "card_declined")
    assert (intent.latest_charge.status, intent.latest_charge.paid) == ("failed", False)
    sandbox.pay(session.id)
    charges = client.v1.charges.list({"payment_intent": intent.id}).data
    assert [charge.status for charge in charges] == ["succeeded", "failed"]
    assert client.v1.payment_intents.retrieve(intent.id).latest_charge == charges[0].id


@pytest.mark.parametrize(
    ("result", "status", "intent_status"),
    [("succeeded", "paid", "succeeded"), ("failed", "unpaid", "requires_payment_method")],
)
def test_a_delayed_payment_completes_unpaid_and_settles_later(
    sandbox, client, new_session, result, status, intent_status
):
    session = new_session(invoice_creation={"enabled": True})
    answer = sandbox.pay(session.id, "processing")
    assert (answer["status"], answer["payment_status"], answer["invoice"]) == ("complete", "unpaid", None)
    intent = client.v1.payment_intents.retrieve(answer["payment_intent"], {"expand": ["latest_charge"]})
    assert (intent.status, intent.latest_charge.status, intent.latest_charge.paid) == ("processing", "pending", False)
    answer = sandbox.control("POST", f"/checkout/{session.id}/settle", {"result": result})
    assert (answer["status"], answer["payment_status"]) == ("complete", status)
    assert bool(answer["invoice"]) == (result == "succeeded")
    assert client.v1.payment_intents.retrieve(intent.id).status == intent_status
    assert sandbox.http("POST", f"/_sandbox/checkout/{session.id}/settle", {"result": result})[0] == 400


def test_a_full_coupon_makes_a_free_order(sandbox, client, new_session):
    coupon = client.v1.coupons.create({"percent_off": 100, "duration": "once"})
    session = new_session(discounts=[{"coupon": coupon.id}])
    assert (session.amount_subtotal, session.amount_total, session.total_details.amount_discount) == (4900, 0, 4900)
    answer = sandbox.pay(session.id)
    assert (answer["status"], answer["payment_status"], answer["payment_intent"]) == (
        "complete",
        "no_payment_required",
        None,
    )
    assert client.v1.coupons.retrieve(coupon.id).times_redeemed == 1


def test_a_promotion_code_takes_its_part(client, new_session):
    coupon = client.v1.coupons.create({"amount_off": 900, "currency": "usd", "duration": "once"})
    code = client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "NINE"})
    assert new_session(discounts=[{"promotion_code": code.id}]).amount_total == 4000


def test_inline_prices_and_quantities_add_up(client, new_session):
    items = [
        {"price": PRICE, "quantity": 2},
        {"price_data": {"currency": "usd", "unit_amount": 150, "product_data": {"name": "Sticker"}}, "quantity": 3},
    ]
    session = new_session(line_items=items)
    assert session.amount_total == 2 * 4900 + 3 * 150
    listed = client.v1.checkout.sessions.line_items.list(session.id)
    assert [(each.description, each.quantity, each.amount_total) for each in listed.data] == [
        ("Atlas Pro (lifetime)", 2, 9800),
        ("Sticker", 3, 450),
    ]


def test_an_inactive_price_cannot_be_bought(client, new_session):
    price = client.v1.prices.create({"unit_amount": 100, "currency": "usd", "product_data": {"name": "Old"}})
    client.v1.prices.update(price.id, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        new_session(line_items=[{"price": price.id, "quantity": 1}])


def test_a_guest_gets_no_customer_unless_asked(sandbox, client, new_session):
    assert sandbox.pay(new_session().id)["customer"] is None
    answer = sandbox.pay(new_session(customer_creation="always").id)
    assert client.v1.customers.retrieve(answer["customer"]).email == "buyer@example.com"
    assert answer["customer_details"]["email"] == "buyer@example.com"


def test_an_invoice_exists_only_when_asked_for(sandbox, client, paid):
    assert paid().invoice is None
    customer = client.v1.customers.create({"email": "inv@example.com"})
    session = paid(customer=customer.id, invoice_creation={"enabled": True, "invoice_data": {"metadata": {"k": "v"}}})
    invoice = client.v1.invoices.retrieve(session.invoice, {"expand": ["payments"]})
    assert (invoice.status, invoice.total, invoice.amount_paid, invoice.customer) == ("paid", 4900, 4900, customer.id)
    assert invoice.metadata.to_dict() == {"k": "v"}
    assert invoice.payments.data[0].payment.payment_intent == session.payment_intent.id
    assert [each.id for each in client.v1.invoices.list({"customer": customer.id}).data] == [invoice.id]


def test_expiring_closes_an_open_session_for_good(sandbox, client, new_session):
    session = new_session()
    expired = client.v1.checkout.sessions.expire(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    assert sandbox.http("POST", f"/_sandbox/checkout/{session.id}/pay", {"outcome": "paid"})[0] == 400
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)


def test_a_complete_session_cannot_be_paid_or_expired_again(sandbox, client, new_session):
    session = new_session()
    sandbox.pay(session.id)
    status, answer = sandbox.http("POST", f"/_sandbox/checkout/{session.id}/pay", {"outcome": "paid"})
    assert (status, answer["error"]["code"]) == (400, "checkout_session_complete")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)


def test_a_payment_link_makes_sessions_of_its_own(sandbox, client):
    link = client.v1.payment_links.create(
        {"line_items": [{"price": PRICE, "quantity": 1}], "metadata": {"userId": "thief"}}
    )
    session = sandbox.control("POST", "/payment_links/pay", {"payment_link": link.id, "client_reference_id": "victim"})
    assert (session["payment_link"], session["payment_status"], session["metadata"]) == (
        link.id,
        "paid",
        {"userId": "thief"},
    )
    assert session["client_reference_id"] == "victim"
    assert sandbox.control("POST", "/payment_links/pay", {})["payment_link"].startswith("plink_")
    assert [each.id for each in client.v1.checkout.sessions.list({"payment_link": link.id}).data] == [session["id"]]


def test_other_modes_complete_without_our_kind_of_payment(sandbox, client, new_session):
    setup = client.v1.checkout.sessions.create({"mode": "setup", "currency": "usd", "success_url": "http://shop.test/"})
    assert sandbox.pay(setup.id)["payment_status"] == "no_payment_required"
    price = client.v1.prices.create(
        {"unit_amount": 500, "currency": "usd", "recurring": {"interval": "month"}, "product_data": {"name": "Monthly"}}
    )
    with pytest.raises(stripe.InvalidRequestError):
        new_session(line_items=[{"price": price.id, "quantity": 1}])
    session = new_session(mode="subscription", line_items=[{"price": price.id, "quantity": 1}])
    answer = sandbox.pay(session.id)
    assert (answer["mode"], answer["payment_status"], answer["payment_intent"]) == ("subscription", "paid", None)


def test_two_hundred_buyers_at_once_all_pay_once(sandbox, client, endpoint, receiver):
    began = time.monotonic()

    def buy(number: int) -> str:
        own = sandbox.client()
        session = own.v1.checkout.sessions.create(params(metadata={"userId": f"crowd-{number}"}))
        return sandbox.pay(session.id)["payment_intent"]

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        intents = list(pool.map(buy, range(200)))
    assert len(set(intents)) == 200
    eventually(lambda: len(receiver.of("checkout.session.completed")) == 200, 20)
    users = {each.event["data"]["object"]["metadata"]["userId"] for each in receiver.of("checkout.session.completed")}
    assert users == {f"crowd-{number}" for number in range(200)}
    assert time.monotonic() - began < 30


def test_a_payment_outside_of_checkout_is_possible_too(client):
    paid = client.v1.payment_intents.create(
        {"amount": 700, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}
    )
    assert (paid.status, paid.amount_received, paid.currency) == ("succeeded", 700, "eur")
    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_intents.create(
            {"amount": 700, "currency": "usd", "payment_method": "pm_card_visa_chargeDeclined", "confirm": True}
        )
    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")
    waiting = client.v1.payment_intents.create({"amount": 700, "currency": "usd"})
    assert (
        client.v1.payment_intents.confirm(waiting.id, {"payment_method": "pm_usBankAccount_success"}).status
        == "processing"
    )
    other = client.v1.payment_intents.create({"amount": 700, "currency": "usd"})
    assert client.v1.payment_intents.cancel(other.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.confirm(other.id, {"payment_method": "pm_card_visa"})
