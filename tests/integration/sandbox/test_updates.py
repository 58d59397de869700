"""What an update accepts, it does; what it doesn't do, it refuses by name."""

from __future__ import annotations

import pathlib
import re

import pytest

from stripe_sandbox.schema import load
from stripe_sandbox.supported import REFUSED

from .conftest import PRICE
from .raw import Raw
from .updates import CHANGES, EXPANDED

DOCS = pathlib.Path(__file__).parents[3] / "docs" / "sandbox.md"
@pytest.fixture
def raw(sandbox):
    return Raw(sandbox.url)


@pytest.fixture
def fresh(raw, sandbox, paid):
    """The path of a new object of the kind that a class of parameters updates."""

    def make(params_class):
        kind = params_class.removesuffix("UpdateParams")
        items = [{"price": PRICE, "quantity": 1}]
        coupon = {"amount_off": 100, "currency": "usd"}
        makers = {
            "Charge": lambda: ("charges", {"id": paid().payment_intent.latest_charge.id}),
            "Coupon": lambda: ("coupons", raw.post("/v1/coupons", **coupon)),
            "Customer": lambda: ("customers", raw.post("/v1/customers")),
            "Dispute": lambda: (
                "disputes",
                sandbox.control("POST", "/disputes", {"charge": paid().payment_intent.latest_charge.id}),
            ),
            "PaymentIntent": lambda: ("payment_intents", raw.post("/v1/payment_intents", amount=700, currency="usd")),
            "PaymentLink": lambda: ("payment_links", raw.post("/v1/payment_links", line_items=items)),
            "Price": lambda: (
                "prices",
                raw.post("/v1/prices", currency="usd", unit_amount=100, product_data={"name": "P"}),
            ),
            "Product": lambda: ("products", raw.post("/v1/products", name="P")),
            "PromotionCode": lambda: (
                "promotion_codes",
                raw.post(
                    "/v1/promotion_codes",
                    promotion={"type": "coupon", "coupon": raw.post("/v1/coupons", **coupon)["id"]},
                ),
            ),
            "Refund": lambda: ("refunds", raw.post("/v1/refunds", charge=paid().payment_intent.latest_charge.id)),
            "WebhookEndpoint": lambda: (
                "webhook_endpoints",
                raw.post("/v1/webhook_endpoints", url="http://127.0.0.1:9/hook", enabled_events=["invoice.voided"]),
            ),
            "billing_portal.Configuration": lambda: (
                "billing_portal/configurations",
                raw.post("/v1/billing_portal/configurations", features={"invoice_history": {"enabled": True}}),
            ),
            "checkout.Session": lambda: (
                "checkout/sessions",
                raw.post("/v1/checkout/sessions", mode="payment", line_items=items, success_url="http://shop.test/"),
            ),
        }
        name, item = makers[kind]()
        return f"/v1/{name}/{item['id']}"

    return make


UPDATES = sorted(name for name in load() if name.endswith("UpdateParams"))
ACCEPTED = [
    (name, param) for name in UPDATES for param, value in CHANGES[name].items() if value is not None and param != "default_price"
]


def refused_names(params_class):
    return {path.split(".")[0].split("=")[0] for path in REFUSED.get(params_class, ()) if "." not in path and "=" not in path}


@pytest.mark.parametrize("params_class", UPDATES)
def test_each_updatable_parameter_is_either_done_or_refused(params_class):
    known = set(load()[params_class]["fields"]) - {"expand"}
    assert known == set(CHANGES[params_class]) | refused_names(params_class)
    assert not set(CHANGES[params_class]) & refused_names(params_class)


@pytest.mark.parametrize(("params_class", "param"), ACCEPTED, ids=lambda part: part)
def test_what_an_update_accepts_it_does(raw, fresh, params_class, param):
    path, value = fresh(params_class), CHANGES[params_class][param]
    expand = {"expand": EXPANDED[params_class]} if params_class in EXPANDED else {}
    value = value(raw) if callable(value) else value
    before = raw.get(path, **expand)
    assert raw.post(path, **{param: value}, **expand) != before
    after = raw.get(path, **expand)
    assert after != before
    if param in after and not isinstance(value, dict):
        assert after[param] == value or param == "payment_method"


def sample(kind):
    """Some value of a parameter's type."""
    if isinstance(kind, str):
        return {"string": "x", "integer": 1, "boolean": True, "number": "1"}[kind]
    (form, inner), *_ = kind.items()
    if form == "enum":
        return next(value for value in inner if value)
    if form == "any":
        return sample(next(member for member in inner if not (isinstance(member, dict) and member.get("enum") == [""])))
    if form == "list":
        return [sample(inner)]
    if form == "map":
        return {"k": sample(inner)}
    names = inner["required"] or list(inner["fields"])[:1]
    return {name: sample(inner["fields"][name]) for name in names}


REFUSALS = [(name, path) for name, paths in sorted(REFUSED.items()) for path in paths if "." not in path and "=" not in path]
CREATED = {
    "checkout.SessionCreateParams": "/v1/checkout/sessions",
    "billing_portal.SessionCreateParams": "/v1/billing_portal/sessions",
    "CouponCreateParams": "/v1/coupons",
    "CustomerCreateParams": "/v1/customers",
    "PaymentIntentConfirmParams": "/v1/payment_intents/pi_any/confirm",
    "PaymentIntentCreateParams": "/v1/payment_intents",
    "PaymentLinkCreateParams": "/v1/payment_links",
    "PriceCreateParams": "/v1/prices",
    "PromotionCodeCreateParams": "/v1/promotion_codes",
    "RefundCreateParams": "/v1/refunds",
    "WebhookEndpointCreateParams": "/v1/webhook_endpoints",
}


@pytest.mark.parametrize(("params_class", "param"), REFUSALS, ids=lambda part: part)
def test_what_the_sandbox_does_not_do_is_refused_by_name(raw, fresh, params_class, param):
    path = fresh(params_class) if params_class.endswith("UpdateParams") else CREATED[params_class]
    schema = load()[params_class]
    given = {name: sample(schema["fields"][name]) for name in schema["required"]}
    error = raw.refused("POST", path, {**given, param: sample(schema["fields"][param])})
    assert (error["status"], error["type"], error["code"]) == (400, "invalid_request_error", "parameter_unknown")
    assert error["param"].split("[")[0] == param
    assert f"sandbox does not support the parameter {error['param']}" in error["message"]


@pytest.mark.parametrize(
    ("path", "given", "param"),
    [
        ("/v1/prices", {"currency": "usd", "unit_amount": 1, "billing_scheme": "tiered"}, "billing_scheme"),
        ("/v1/payment_intents", {"amount": 700, "currency": "usd", "capture_method": "manual"}, "capture_method"),
        (
            "/v1/checkout/sessions",
            {"mode": "payment", "line_items": [{"price": PRICE, "adjustable_quantity": {"enabled": True}}]},
            "line_items[0][adjustable_quantity]",
        ),
        (
            "/v1/prices",
            {"currency": "usd", "unit_amount": 1, "currency_options": {"eur": {"tiers": [{"up_to": "inf"}]}}},
            "currency_options[eur][tiers]",
        ),
    ],
)
def test_a_value_or_a_member_is_refused_by_its_full_name(raw, path, given, param):
    error = raw.refused("POST", path, given)
    assert (error["param"], "sandbox" in error["message"]) == (param, True)


def test_what_asks_for_nothing_is_let_through(raw):
    assert raw.post("/v1/customers", validate=False)["object"] == "customer"


def test_the_documentation_lists_every_refused_parameter():
    text = DOCS.read_text(encoding="utf-8")
    section = text.split("## What it doesn't do")[1].split("\n## ")[0]
    named = set(re.findall(r"`([^`]+)`", section))
    missing = {path.replace("=", ": ") for paths in REFUSED.values() for path in paths} - named
    assert not missing


def test_default_price(raw):
    product = raw.post("/v1/products", name="P")["id"]
    own = raw.post("/v1/prices", product=product, currency="usd", unit_amount=1)["id"]
    assert raw.post(f"/v1/products/{product}", default_price=own)["default_price"] == own
    assert raw.refused("POST", f"/v1/products/{product}", {"default_price": PRICE})["param"] == "default_price"


def test_evidence(raw, fresh):
    path = fresh("DisputeUpdateParams")
    kept = raw.post(path, evidence={"customer_name": "A"}, submit=False)
    assert (kept["status"], kept["evidence_details"]["submission_count"]) == ("needs_response", 0)
    sent = raw.post(path, submit=True, evidence={"customer_name": "B"})
    assert (sent["status"], sent["evidence_details"]["submission_count"]) == ("under_review", 1)


def test_what_is_paid_keeps_its_amount(raw):
    made = raw.post("/v1/payment_intents", amount=700, currency="usd", payment_method="pm_card_visa", confirm=True)
    path = f"/v1/payment_intents/{made['id']}"
    assert raw.refused("POST", path, {"amount": 800})["code"] == "payment_intent_unexpected_state"
    assert raw.post(path, description="later")["description"] == "later"


def test_a_method_chosen_beforehand_pays(raw):
    made = raw.post("/v1/payment_intents", amount=700, currency="usd", payment_method="pm_card_visa")
    assert (made["status"], made["payment_method"][:3]) == ("requires_confirmation", "pm_")
    assert raw.post(f"/v1/payment_intents/{made['id']}/confirm")["status"] == "succeeded"
