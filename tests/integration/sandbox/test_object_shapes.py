"""Objects have the fields that the SDK's types describe, and no others; ``test_types`` checks their values as well."""

from __future__ import annotations

import json

import pytest
import stripe

from stripe_sandbox.schema_from_sdk import SCHEMA_FILE, build_schema

from .conftest import PRICE

# Present on demand, in other circumstances, or never in this account: not part of the plain object.
ELSEWHERE = {
    "customer": {
        "business_name",
        "cash_balance",
        "deleted",
        "individual_name",
        "invoice_credit_balance",
        "sources",
        "subscriptions",
        "tax",
        "tax_ids",
    },
    "checkout.session": {
        "branding_settings",
        "excluded_payment_method_types",
        "line_items",
        "name_collection",
        "presentment_details",
        "redirect_on_completion",
        "return_url",
        "tax_id_collection",
    },
    "charge": {"refunds", "authorization_code", "level3", "presentment_details", "transfer"},
    "payment_intent": {"hooks", "payment_details", "presentment_details"},
    "refund": {
        "description",
        "failure_balance_transaction",
        "failure_reason",
        "instructions_email",
        "next_action",
        "pending_reason",
        "presentment_details",
    },
    "invoice": {
        "amount_paid_off_stripe",
        "confirmation_secret",
        "deleted",
        "payments",
        "status_details",
        "threshold_reason",
    },
    "price": {"currency_options", "deleted", "tiers"},
    "product": {"deleted"},
    "webhook_endpoint": {"deleted", "secret"},
    "event": {"account", "context"},
    "billing_portal.session": {"after_expiration"},
    "coupon": {"applies_to", "currency_options", "deleted"},
    "payment_link": {"line_items", "name_collection"},
}


def annotated(cls: type) -> set[str]:
    return {
        name for base in cls.__mro__ for name in vars(base).get("__annotations__", {}) if not name.startswith("_")
    } - {"OBJECT_NAME"}


@pytest.fixture
def objects(sandbox, client, paid):
    customer = client.v1.customers.create({"email": "shape@example.com", "metadata": {"userId": "shape"}})
    session = paid(customer=customer.id, invoice_creation={"enabled": True})
    intent = client.v1.payment_intents.retrieve(session.payment_intent.id)
    charge = client.v1.charges.retrieve(intent.latest_charge)
    configuration = client.v1.billing_portal.configurations.create({"features": {"invoice_history": {"enabled": True}}})
    return [
        customer,
        client.v1.checkout.sessions.retrieve(session.id),
        intent,
        charge,
        client.v1.balance_transactions.retrieve(charge.balance_transaction),
        client.v1.refunds.create({"charge": charge.id, "amount": 100}),
        stripe.Dispute.construct_from(sandbox.control("POST", "/disputes", {"charge": charge.id}), None),
        client.v1.invoices.retrieve(session.invoice),
        client.v1.prices.retrieve(PRICE),
        client.v1.products.list().data[0],
        client.v1.events.list().data[0],
        client.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/x", "enabled_events": ["invoice.voided"]}),
        configuration,
        client.v1.billing_portal.sessions.create({"customer": customer.id, "configuration": configuration.id}),
        client.v1.coupons.create({"percent_off": 10}),
        client.v1.payment_links.create({"line_items": [{"price": PRICE, "quantity": 1}]}),
        client.v1.invoice_payments.list({"limit": 1}).data[0],
    ]


def test_each_object_has_the_fields_of_its_sdk_type(objects):
    for item in objects:
        fields, described = set(item.to_dict()), annotated(type(item))
        elsewhere = ELSEWHERE.get(item.object, set())
        assert fields - described == set(), f"{item.object}: the SDK knows no such field"
        assert described - fields - elsewhere == set(), f"{item.object}: field is missing"
        assert type(item) is not stripe.StripeObject


def test_the_parameter_schema_is_that_of_the_locked_sdk():
    committed = json.loads(SCHEMA_FILE.read_text())
    assert committed == build_schema(), "run python -m stripe_sandbox.schema_from_sdk"


def test_the_configured_price_is_there_from_the_start(client):
    price = client.v1.prices.retrieve(PRICE, {"expand": ["product"]})
    assert (price.unit_amount, price.currency, price.type, price.product.name) == (
        4900,
        "usd",
        "one_time",
        "Atlas Pro (lifetime)",
    )


def test_account_and_balance_can_be_read(client):
    assert client.v1.accounts.retrieve_current().charges_enabled
    assert client.v1.balance.retrieve().object == "balance"
