"""The API in the small: versions, booleans, filters, lookup keys, decimals, currencies, previous values."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from .conftest import KEY, PRICE, eventually
from .raw import Raw


@pytest.fixture
def raw(sandbox):
    return Raw(sandbox.url)


@pytest.fixture
def product(raw):
    return raw.post("/v1/products", name="Filtered", url=f"http://shop.test/{time.time_ns()}", shippable=True)


def price(raw, product, **more):
    return raw.post("/v1/prices", **{"product": product["id"], "currency": "usd", "unit_amount": 1000, **more})


def ids(page):
    return [item["id"] for item in page["data"]]


@pytest.mark.parametrize("version", ["2023-10-16", "2024-09-30.acacia", "2026-10-28.endive", "2025-03-31.basil; feature=v1"])
def test_a_known_version_is_served_and_echoed(sandbox, version):
    request = urllib.request.Request(
        sandbox.url + "/v1/prices", headers={"Authorization": f"Bearer {KEY}", "Stripe-Version": version}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
        assert answer.headers["Stripe-Version"] == version


@pytest.mark.parametrize("version", ["2099-01-01", "2026-10-28", "2023-10-16.acacia", "latest", "2026-13-01.endive"])
def test_an_unknown_version_is_refused(raw, version):
    status, body = raw("GET", "/v1/prices", headers={"Stripe-Version": version})
    assert status == 400
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["message"] == f"Invalid Stripe API version: {version}"


def test_an_endpoint_of_another_version_gets_events_that_say_so(raw, receiver):
    made = raw.post("/v1/webhook_endpoints", url=receiver.url, enabled_events=["product.created"], api_version="2023-10-16")
    assert made["api_version"] == "2023-10-16"
    product = raw.post("/v1/products", name="Old")
    told = eventually(lambda: [each for each in receiver.of() if each.event["data"]["object"]["id"] == product["id"]])
    raw.ok("DELETE", f"/v1/webhook_endpoints/{made['id']}")
    assert told[0].event["api_version"] == "2023-10-16"
    assert raw.get(f"/v1/events/{told[0].event['id']}")["api_version"] == "2026-10-28.endive"


@pytest.mark.parametrize(("written", "meant"), [("True", True), ("False", False), ("true", True), ("false", False)])
def test_booleans_as_old_python_sdks_write_them(raw, written, meant):
    assert raw.ok("POST", "/v1/products", f"name=B&active={written}")["active"] is meant
    assert raw.refused("POST", "/v1/products", "name=B&active=TRUE")["param"] == "active"


def test_several_unknown_parameters_are_all_named(raw):
    error = raw.refused("POST", "/v1/customers", {"colour": "red", "shape": "round"})
    assert (error["message"], error["param"]) == ("Received unknown parameters: colour, shape", "colour")


class TestFilters:
    def test_of_products(self, raw, product):
        other = raw.post("/v1/products", name="Other", active=False)
        assert ids(raw.get("/v1/products", ids=[product["id"], "prod_none"])) == [product["id"]]
        assert ids(raw.get("/v1/products", url=product["url"])) == [product["id"]]
        assert other["id"] not in ids(raw.get("/v1/products", active=True, limit=100))
        assert product["id"] in ids(raw.get("/v1/products", shippable=True, limit=100))
        assert other["id"] not in ids(raw.get("/v1/products", shippable=True, limit=100))
        assert ids(raw.get("/v1/products", type="good")) == []

    def test_of_prices(self, raw, product):
        key = f"key-{time.time_ns()}"
        once, monthly = price(raw, product, lookup_key=key), price(raw, product, recurring={"interval": "month"})
        assert ids(raw.get("/v1/prices", lookup_keys=[key, "none"])) == [once["id"]]
        assert ids(raw.get("/v1/prices", recurring={"interval": "month"}, product=product["id"])) == [monthly["id"]]
        assert ids(raw.get("/v1/prices", recurring={"interval": "year"}, product=product["id"])) == []
        assert ids(raw.get("/v1/prices", recurring={"usage_type": "metered"}, product=product["id"])) == []
        assert ids(raw.get("/v1/prices", type="one_time", product=product["id"])) == [once["id"]]

    def test_of_balance_transactions(self, raw, paid):
        charge = paid().payment_intent.latest_charge.id
        assert [each["source"] for each in raw.get("/v1/balance_transactions", source=charge)["data"]] == [charge]
        error = raw.refused("GET", "/v1/balance_transactions", {"payout": "po_none"})
        assert (error["param"], error["code"]) == ("payout", "resource_missing")

    def test_of_customers_and_invoices(self, raw):
        assert raw.refused("GET", "/v1/customers", {"test_clock": "clock_none"})["param"] == "test_clock"
        assert raw.get("/v1/invoices", due_date={"gte": 1})["data"] == []
        assert raw.get("/v1/invoices", subscription="sub_none")["data"] == []

    def test_a_line_item_list_is_paged(self, raw):
        items = [{"price": PRICE, "quantity": number} for number in (1, 2, 3)]
        made = raw.post("/v1/checkout/sessions", mode="payment", line_items=items, success_url="http://shop.test/")
        path = f"/v1/checkout/sessions/{made['id']}/line_items"
        first = raw.get(path, limit=2)
        assert ([each["quantity"] for each in first["data"]], first["has_more"]) == ([1, 2], True)
        rest = raw.get(path, limit=2, starting_after=first["data"][-1]["id"])
        assert ([each["quantity"] for each in rest["data"]], rest["has_more"]) == ([3], False)
        assert raw.refused("GET", path, {"limit": 101})["param"] == "limit"
        assert raw.refused("GET", path, {"starting_after": "li_none"})["param"] == "starting_after"


class TestPrices:
    def test_a_lookup_key_belongs_to_one_price(self, raw, product):
        key = f"key-{time.time_ns()}"
        first = price(raw, product, lookup_key=key)
        raw.post(f"/v1/prices/{first['id']}", active=False)
        given = {"product": product["id"], "currency": "usd", "unit_amount": 5, "lookup_key": key}
        error = raw.refused("POST", "/v1/prices", given)
        assert (error["status"], error["param"]) == (400, "lookup_key")
        assert error["message"] == f"A price (`{first['id']}`) already uses that lookup key."
        second = raw.post("/v1/prices", **given, transfer_lookup_key=True)
        assert second["lookup_key"] == key
        assert raw.get(f"/v1/prices/{first['id']}")["lookup_key"] is None
        assert raw.refused("POST", f"/v1/prices/{first['id']}", {"lookup_key": key})["param"] == "lookup_key"
        raw.post(f"/v1/prices/{first['id']}", lookup_key=key, transfer_lookup_key=True)
        assert ids(raw.get("/v1/prices", lookup_keys=[key])) == [first["id"]]

    @pytest.mark.parametrize(
        ("given", "amount", "exact"),
        [
            ({"unit_amount": 1999}, 1999, "1999"),
            ({"unit_amount_decimal": "1999"}, 1999, "1999"),
            ({"unit_amount_decimal": "12.50"}, None, "12.5"),
            ({"unit_amount_decimal": "0.000000000001"}, None, "0.000000000001"),
            ({"unit_amount": 0}, 0, "0"),
        ],
    )
    def test_amounts_are_exact(self, raw, product, given, amount, exact):
        made = raw.post("/v1/prices", product=product["id"], currency="usd", **given)
        assert (made["unit_amount"], made["unit_amount_decimal"]) == (amount, exact)

    @pytest.mark.parametrize(
        ("given", "param"),
        [
            ({}, "unit_amount"),
            ({"unit_amount": -1}, "unit_amount"),
            ({"unit_amount": 1, "unit_amount_decimal": "1"}, "unit_amount"),
            ({"unit_amount_decimal": "-0.5"}, "unit_amount_decimal"),
            ({"unit_amount_decimal": "0.0000000000001"}, "unit_amount_decimal"),
            ({"unit_amount": 1, "currency_options": {"eur": {"unit_amount": -1}}}, "currency_options[eur][unit_amount]"),
            ({"unit_amount": 1, "currency_options": {"eur": {"tax_behavior": "inclusive"}}}, "currency_options[eur][unit_amount]"),
            ({"unit_amount": 1, "currency_options": {"xxx": {"unit_amount": 1}}}, "currency_options"),
        ],
    )
    def test_a_bad_amount_is_named(self, raw, product, given, param):
        assert raw.refused("POST", "/v1/prices", {"product": product["id"], "currency": "usd", **given})["param"] == param

    def test_a_fraction_of_a_cent_is_rounded_on_the_whole_order(self, raw, product):
        made = raw.post("/v1/prices", product=product["id"], currency="usd", unit_amount_decimal="12.5")
        session = raw.post(
            "/v1/checkout/sessions",
            mode="payment",
            line_items=[{"price": made["id"], "quantity": 5}],
            success_url="http://shop.test/",
        )
        assert session["amount_total"] == 63  # 62.5, the half up

    def test_currencies_are_kept_and_shown_on_demand(self, raw, product):
        made = price(raw, product, currency_options={"eur": {"unit_amount": 900, "tax_behavior": "inclusive"}})
        path = f"/v1/prices/{made['id']}"
        assert "currency_options" not in made
        assert "currency_options" not in raw.get(path)
        options = raw.get(path, expand=["currency_options"])["currency_options"]
        assert {currency: option["unit_amount"] for currency, option in options.items()} == {"usd": 1000, "eur": 900}
        assert options["eur"]["tax_behavior"] == "inclusive"
        raw.post(path, currency_options={"gbp": {"unit_amount_decimal": "800.5"}})
        options = raw.get(path, expand=["currency_options.eur"])["currency_options"]
        assert sorted(options) == ["eur", "gbp", "usd"]
        assert options["gbp"] == {
            "custom_unit_amount": None,
            "tax_behavior": "unspecified",
            "unit_amount": None,
            "unit_amount_decimal": "800.5",
        }
        raw.post(path, currency_options="")
        assert sorted(raw.get(path, expand=["currency_options"])["currency_options"]) == ["usd"]
        listed = raw.get("/v1/prices", product=product["id"], expand=["data.currency_options"])["data"]
        assert all("usd" in each["currency_options"] for each in listed)


class TestPreviousAttributes:
    def told(self, raw, event_type, identifier):
        events = raw.get("/v1/events", type=event_type, limit=100)["data"]
        return [each["data"] for each in events if each["data"]["object"]["id"] == identifier]

    def test_of_a_refunded_charge(self, raw, paid):
        charge = paid().payment_intent.latest_charge.id
        raw.post("/v1/refunds", charge=charge, amount=900)
        raw.post("/v1/refunds", charge=charge)
        last, first = self.told(raw, "charge.refunded", charge)
        assert first["previous_attributes"] == {"amount_refunded": 0}
        assert last["previous_attributes"] == {"amount_refunded": 900, "refunded": False}

    def test_of_a_refund_that_fails(self, raw, sandbox, paid):
        charge = paid().payment_intent.latest_charge.id
        refund = raw.post("/v1/refunds", charge=charge)["id"]
        sandbox.control("POST", f"/refunds/{refund}/fail")
        [told] = self.told(raw, "refund.updated", refund)
        assert told["previous_attributes"] == {
            "failure_balance_transaction": None,
            "failure_reason": None,
            "status": "succeeded",
        }

    def test_of_a_dispute(self, raw, sandbox, paid):
        charge = paid().payment_intent.latest_charge.id
        dispute = sandbox.control("POST", "/disputes", {"charge": charge, "status": "warning_needs_response"})["id"]
        sandbox.control("POST", f"/disputes/{dispute}", {"status": "needs_response"})
        sandbox.control("POST", f"/disputes/{dispute}", {"status": "won"})
        closing, escalating = self.told(raw, "charge.dispute.updated", dispute)
        assert escalating["previous_attributes"] == {
            "is_charge_refundable": True,
            "payment_method_details": {"card": {"case_type": "inquiry"}},
            "status": "warning_needs_response",
        }
        [closed] = self.told(raw, "charge.dispute.closed", dispute)
        assert closing["previous_attributes"] == closed["previous_attributes"] == {"status": "needs_response"}
        [withdrawn] = self.told(raw, "charge.dispute.funds_withdrawn", dispute)
        assert withdrawn["previous_attributes"] == {"balance_transactions": []}
        [reinstated] = self.told(raw, "charge.dispute.funds_reinstated", dispute)
        assert len(reinstated["previous_attributes"]["balance_transactions"]) == 1
        assert "previous_attributes" not in self.told(raw, "charge.dispute.created", dispute)[0]

    def test_of_hashes_only_what_changed_is_told(self, raw):
        customer = raw.post("/v1/customers", metadata={"kept": "1", "gone": "2"})["id"]
        raw.post(f"/v1/customers/{customer}", metadata={"gone": "", "new": "3"})
        [told] = self.told(raw, "customer.updated", customer)
        assert told["previous_attributes"] == {"metadata": {"gone": "2", "new": None}}

    def test_every_updated_event_has_them(self, raw):
        for event in raw.get("/v1/events", type="*.updated", limit=100)["data"]:
            assert event["data"]["previous_attributes"], json.dumps(event)[:300]
