"""Stripe's test cards and test payment methods: the number decides what becomes of the payment."""

from __future__ import annotations

import pytest
import stripe

from .conftest import eventually
from .test_pages import CARD, visit


@pytest.fixture
def buy_with(client, new_session):
    """Pay on the hosted page with a card; the status of its answer and the session afterwards."""

    def buy(number):
        session = new_session()
        status, _, text = visit(session.url, {**CARD, "card": number})
        expand = {"expand": ["payment_intent.latest_charge"]}
        return status, text, client.v1.checkout.sessions.retrieve(session.id, expand)

    return buy


@pytest.mark.parametrize(
    ("number", "code", "decline_code", "words"),
    [
        ("4000 0000 0000 0002", "card_declined", "generic_decline", "declined"),
        ("4000 0000 0000 9995", "card_declined", "insufficient_funds", "insufficient funds"),
        ("4000 0000 0000 9987", "card_declined", "lost_card", "declined"),
        ("4000 0000 0000 9979", "card_declined", "stolen_card", "declined"),
        ("4000 0000 0000 0069", "expired_card", None, "expired"),
        ("4000 0000 0000 0127", "incorrect_cvc", None, "security code"),
        ("4000 0000 0000 0119", "processing_error", None, "error"),
    ],
)
def test_cards_that_decline_leave_the_session_open(buy_with, number, code, decline_code, words):
    status, text, session = buy_with(number)
    assert (status, session.status) == (402, "open")
    assert words in text.split('role="alert"')[1]
    assert "Nothing was charged" in text
    error = session.payment_intent.last_payment_error
    assert (error.code, error.to_dict().get("decline_code")) == (code, decline_code)
    assert session.payment_intent.latest_charge.status == "failed"


@pytest.mark.parametrize(
    ("number", "brand"),
    [("5555 5555 5555 4444", "mastercard"), ("3782 822463 10005", "amex"), ("6011 1111 1111 1117", "discover")],
)
def test_other_brands_pay(buy_with, number, brand):
    _, _, session = buy_with(number)
    details = session.payment_intent.latest_charge.payment_method_details.card
    assert (session.payment_status, details.brand, details.last4) == ("paid", brand, number[-4:])


@pytest.mark.parametrize(
    ("number", "reason", "status"),
    [
        ("4000 0000 0000 0259", "fraudulent", "needs_response"),
        ("4000 0000 0000 2685", "product_not_received", "needs_response"),
        ("4000 0000 0000 1976", "fraudulent", "warning_needs_response"),
    ],
)
def test_cards_that_dispute_are_paid_and_disputed(client, buy_with, number, reason, status):
    _, _, session = buy_with(number)
    assert session.payment_status == "paid"
    disputes = client.v1.disputes.list({"payment_intent": session.payment_intent.id}).data
    assert [(each.reason, each.status) for each in disputes] == [(reason, status)]


def test_a_card_that_is_reported_gives_an_early_fraud_warning(client, buy_with):
    _, _, session = buy_with("4000 0000 0000 5423")
    assert session.payment_status == "paid"
    assert len(client.v1.radar.early_fraud_warnings.list({"payment_intent": session.payment_intent.id}).data) == 1


@pytest.mark.parametrize(
    ("number", "at_first", "later", "told"),
    [
        ("4000 0000 0000 5126", "succeeded", "failed", "refund.failed"),
        ("4000 0000 0000 7726", "pending", "succeeded", "refund.updated"),
    ],
)
def test_refunds_that_change_their_mind(client, buy_with, endpoint, receiver, number, at_first, later, told):
    _, _, session = buy_with(number)
    refund = client.v1.refunds.create({"payment_intent": session.payment_intent.id})
    assert refund.status == at_first
    eventually(lambda: client.v1.refunds.retrieve(refund.id).status == later, 15)
    eventually(lambda: any(each.event["data"]["object"]["id"] == refund.id for each in receiver.of(told)))
    charge = client.v1.charges.retrieve(refund.charge)
    assert charge.amount_refunded == (0 if later == "failed" else 4900)
    if later == "failed":
        assert client.v1.refunds.retrieve(refund.id).failure_reason == "expired_or_canceled_card"


def test_payment_methods_of_the_api_do_the_same(client):
    def pay(method):
        return client.v1.payment_intents.create(
            {"amount": 900, "currency": "usd", "payment_method": method, "confirm": True}
        )

    assert pay("pm_card_mastercard").status == "succeeded"
    disputed = pay("pm_card_createDispute")
    assert len(client.v1.disputes.list({"payment_intent": disputed.id}).data) == 1
    warned = pay("pm_card_createIssuerFraudRecord")
    assert len(client.v1.radar.early_fraud_warnings.list({"payment_intent": warned.id}).data) == 1
    pending = pay("pm_card_pendingRefund")
    assert client.v1.refunds.create({"payment_intent": pending.id}).status == "pending"
    for method, code, decline_code in (
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ):
        with pytest.raises(stripe.CardError) as caught:
            pay(method)
        error = caught.value
        assert (error.http_status, error.code, error.error.to_dict().get("decline_code")) == (402, code, decline_code)


def test_the_page_lists_what_it_takes(new_session):
    text = visit(new_session().url)[2]
    for number in ("4000 0000 0000 0259", "4000 0000 0000 5423", "4000 0000 0000 5126", "4000 0000 0000 0069"):
        assert number in text


def test_a_receipt_is_sent_where_an_address_is_known(client, buy_with):
    _, _, session = buy_with("4242 4242 4242 4242")
    charge = session.payment_intent.latest_charge
    assert charge.receipt_email == CARD["email"]
    assert len(charge.receipt_number.replace("-", "")) == 8
    silent = client.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "expand": ["latest_charge"],
        }
    )
    assert (silent.latest_charge.receipt_email, silent.latest_charge.receipt_number) == (None, None)


def test_checkout_gives_a_customer_without_an_address_the_one_that_was_typed(client, new_session, endpoint, receiver):
    customer = client.v1.customers.create({"metadata": {"userId": "u1"}})
    session = new_session(customer=customer.id)
    visit(session.url, CARD)
    assert client.v1.customers.retrieve(customer.id).email == CARD["email"]
    told = eventually(lambda: receiver.of("customer.updated"))[0].event["data"]
    assert told["previous_attributes"] == {"email": None}
    made = client.v1.billing_portal.configurations.create({"features": {"invoice_history": {"enabled": True}}})
    portal = client.v1.billing_portal.sessions.create({"customer": customer.id, "configuration": made.id})
    assert CARD["email"] in visit(portal.url)[2]
    again = new_session(customer=customer.id)
    visit(again.url, {**CARD, "email": "second@example.com"})
    assert client.v1.customers.retrieve(customer.id).email == CARD["email"]
