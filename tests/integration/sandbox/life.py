"""A full life in the sandbox, so that everything it can show is shown."""

from __future__ import annotations

from typing import Any

from .conftest import PRICE, Sandbox
from .raw import Raw

SHOP = "http://shop.test/account"
ITEM = {"price": PRICE, "quantity": 1}
CARD_OUTCOMES = ("paid", "processing", "declined")


def session_of(raw: Raw, **more: Any) -> Any:
    return raw.post(
        "/v1/checkout/sessions", **{"mode": "payment", "line_items": [ITEM], "success_url": SHOP, "cancel_url": SHOP, **more}
    )


def play(sandbox: Sandbox, raw: Raw) -> None:
    """Everything once; the answers are in ``raw.answers``."""
    catalog(raw)
    customer = raw.post("/v1/customers", email="life@example.com", name="Ada", address={"country": "DE"}, metadata={"userId": "u"})
    more = {"shipping": {"name": "Ada", "address": {"line1": "1"}}, "invoice_settings": {"rendering_options": {"amount_tax_display": "exclude_tax"}}}
    raw.post(f"/v1/customers/{customer['id']}", phone="+49", business_name="Ada GmbH", **more)
    raw.get(f"/v1/customers/{customer['id']}", expand=["subscriptions", "sources", "tax_ids", "tax"])
    settings(raw, customer["id"])
    sessions(sandbox, raw, customer["id"])
    money_back(sandbox, raw)
    disputes(sandbox, raw)
    intents(raw, customer["id"])
    links(sandbox, raw)
    gone = raw.post("/v1/customers", email="gone@example.com")
    raw.ok("DELETE", f"/v1/customers/{gone['id']}")
    raw.get(f"/v1/customers/{gone['id']}")
    everything(raw, customer["id"])


def catalog(raw: Raw) -> None:
    product = raw.post(
        "/v1/products",
        name="Life",
        description="A product",
        images=["http://shop.test/i.png"],
        marketing_features=[{"name": "all"}],
        package_dimensions={"height": 1, "length": 2, "width": 3, "weight": 4},
        default_price_data={"currency": "usd", "unit_amount": 1000},
    )
    raw.post(f"/v1/products/{product['id']}", name="Life after", url="http://shop.test/", metadata={"a": "b"})
    price = raw.post(
        "/v1/prices",
        product=product["id"],
        currency="usd",
        unit_amount=2000,
        nickname="n",
        currency_options={"eur": {"unit_amount": 1900}},
    )
    raw.post(f"/v1/prices/{price['id']}", nickname="m")
    raw.get(f"/v1/prices/{price['id']}", expand=["currency_options", "product.default_price", "tiers"])
    raw.post("/v1/prices", currency="usd", unit_amount=500, recurring={"interval": "month"}, product_data={"name": "Abo"})
    raw.post("/v1/coupons", percent_off=12.5, name="C")
    coupon = raw.post("/v1/coupons", amount_off=100, currency="usd", duration="repeating", duration_in_months=3)
    raw.get(f"/v1/coupons/{coupon['id']}")
    raw.get(f"/v1/coupons/{coupon['id']}", expand=["currency_options", "applies_to"])
    code = raw.post("/v1/promotion_codes", promotion={"type": "coupon", "coupon": coupon["id"]}, code="LIFE")
    raw.get(f"/v1/promotion_codes/{code['id']}", expand=["promotion.coupon"])
    raw.post(f"/v1/promotion_codes/{code['id']}", metadata={"a": "b"})
    gone = raw.post("/v1/coupons", amount_off=100, currency="usd", currency_options={"eur": {"amount_off": 90}})
    raw.post(f"/v1/coupons/{gone['id']}", name="Gone", expand=["currency_options"])
    raw.ok("DELETE", f"/v1/coupons/{gone['id']}")


def settings(raw: Raw, customer: str) -> None:
    made = raw.post(
        "/v1/billing_portal/configurations",
        features={"invoice_history": {"enabled": True}, "customer_update": {"enabled": True, "allowed_updates": ["email"]}},
        business_profile={"headline": "H"},
        default_return_url=SHOP,
    )
    path = f"/v1/billing_portal/configurations/{made['id']}"
    raw.post(path, features={"payment_method_update": {"enabled": True}, "subscription_update": {"enabled": True, "products": [{"product": "prod_a", "prices": ["price_a"]}]}}, metadata={"k": "v"}, login_page={"enabled": True})
    raw.post("/v1/billing_portal/sessions", customer=customer, configuration=made["id"], return_url=SHOP)
    raw.post("/v1/billing_portal/sessions", customer=customer, configuration=made["id"], locale="de")
    endpoint = raw.post("/v1/webhook_endpoints", url="http://127.0.0.1:9/hook", enabled_events=["invoice.voided"], description="D")
    raw.post(f"/v1/webhook_endpoints/{endpoint['id']}", metadata={"k": "v"}, disabled=True)
    raw.ok("DELETE", f"/v1/webhook_endpoints/{endpoint['id']}")
    raw.get("/v1/account")
    raw.get("/v1/balance")


def sessions(sandbox: Sandbox, raw: Raw, customer: str) -> None:
    plain = session_of(raw, client_reference_id="u", metadata={"userId": "u"})
    raw.get(f"/v1/checkout/sessions/{plain['id']}", expand=["line_items", "line_items.data.price.product"])
    raw.get(f"/v1/checkout/sessions/{plain['id']}/line_items")
    raw.post(f"/v1/checkout/sessions/{plain['id']}/expire")
    known = session_of(raw, customer=customer, invoice_creation={"enabled": True, "invoice_data": {"footer": "F"}})
    raw.post(f"/v1/checkout/sessions/{known['id']}", metadata={"a": "b"})
    raw.answers.append(sandbox.pay(known["id"]))
    sets = [
        {"customer_creation": "always", "customer_email": "new@example.com"},
        {"excluded_payment_method_types": ["us_bank_account"], "locale": "de", "submit_type": "pay", "billing_address_collection": "required"},
        {"allowed_payment_method_types": ["card"], "origin_context": "web"},
        {"consent_collection": {"terms_of_service": "required"}, "phone_number_collection": {"enabled": True}},
        {"allow_promotion_codes": True, "automatic_tax": {"enabled": True}, "tax_id_collection": {"enabled": True}},
        {"shipping_address_collection": {"allowed_countries": ["DE"]}, "saved_payment_method_options": {"payment_method_save": "enabled"}},
        {"custom_text": {"submit": {"message": "M"}}, "name_collection": {"individual": {"enabled": True}}},
        {
            "custom_fields": [
                {"key": "k", "label": {"type": "custom", "custom": "L"}, "type": "text"},
                {"key": "n", "label": {"type": "custom", "custom": "L"}, "type": "numeric", "optional": True},
                {
                    "key": "d",
                    "label": {"type": "custom", "custom": "L"},
                    "type": "dropdown",
                    "dropdown": {"options": [{"label": "A", "value": "a"}]},
                },
            ]
        },
        {"after_expiration": {"recovery": {"enabled": True}}, "branding_settings": {"display_name": "Shop"}},
        {"ui_mode": "embedded_page", "return_url": SHOP, "success_url": None, "cancel_url": None},
        {"payment_intent_data": {"metadata": {"a": "b"}, "description": "D"}, "adaptive_pricing": {"enabled": True}},
        {"mode": "setup", "line_items": None, "currency": "usd"},
        {"discounts": [{"coupon": raw.post("/v1/coupons", percent_off=100)["id"]}], "customer": customer, "invoice_creation": {"enabled": True}},
    ]
    for given in sets:
        made = {"mode": "payment", "line_items": [ITEM], "success_url": SHOP, "cancel_url": SHOP, **given}
        status, answer = raw("POST", "/v1/checkout/sessions", {name: value for name, value in made.items() if value is not None})
        assert status == 200, (given, answer)
    price = raw.post("/v1/prices", currency="usd", unit_amount=900, product_data={"name": "P"}, currency_options={"eur": {"unit_amount": 800}})
    choosing = session_of(
        raw,
        line_items=[{"price": price["id"], "quantity": 2}],
        allow_promotion_codes=True,
        automatic_tax={"enabled": True},
        tax_id_collection={"enabled": True},
        invoice_creation={"enabled": True},
        customer_creation="always",
    )
    sandbox.control("POST", f"/checkout/{choosing['id']}/pay", {"currency": "usd", "promotion_code": "life"})
    raw.get(f"/v1/checkout/sessions/{choosing['id']}", expand=["line_items", "invoice", "discounts.coupon", "discounts.promotion_code"])
    foreign = session_of(raw, line_items=[{"price": price["id"], "quantity": 1}])
    raw.answers.append(sandbox.control("POST", f"/checkout/{foreign['id']}/pay", {"currency": "eur", "email": "eu@example.com"}))
    for outcome in ("paid", "processing", "declined"):
        raw.answers.append(sandbox.pay(session_of(raw, metadata={"userId": "u"})["id"], outcome))
    for result in ("succeeded", "failed"):
        debit = session_of(raw)["id"]
        sandbox.pay(debit, "processing")
        raw.answers.append(sandbox.control("POST", f"/checkout/{debit}/settle", {"result": result}))


def bought(sandbox: Sandbox, raw: Raw) -> str:
    made = session_of(raw)["id"]
    sandbox.pay(made)
    paid = raw.get(f"/v1/checkout/sessions/{made}", expand=["payment_intent.latest_charge.balance_transaction", "customer"])
    return str(paid["payment_intent"]["latest_charge"]["id"])


def money_back(sandbox: Sandbox, raw: Raw) -> None:
    charge = bought(sandbox, raw)
    raw.post(f"/v1/charges/{charge}", description="D", metadata={"a": "b"})
    refund = raw.post("/v1/refunds", charge=charge, amount=100, reason="requested_by_customer", metadata={"a": "b"})
    raw.post(f"/v1/refunds/{refund['id']}", metadata={"c": "d"})
    raw.answers.append(sandbox.control("POST", f"/refunds/{refund['id']}/fail"))
    for status in ("pending", "requires_action"):
        other = sandbox.control("POST", "/refunds", {"charge": charge, "amount": 200, "status": status})
        raw.answers += [other, raw.get(f"/v1/refunds/{other['id']}")]
        if status == "requires_action":
            raw.post(f"/v1/refunds/{other['id']}/cancel")
        else:
            raw.answers.append(sandbox.control("POST", f"/refunds/{other['id']}/settle"))
    raw.post("/v1/refunds", charge=charge)
    raw.get(f"/v1/charges/{charge}", expand=["refunds", "refunds.data.balance_transaction", "payment_intent", "balance_transaction"])
    debit = session_of(raw)["id"]
    sandbox.pay(debit, "processing")
    sandbox.control("POST", f"/checkout/{debit}/settle", {"result": "succeeded"})
    raw.post("/v1/refunds", payment_intent=raw.get(f"/v1/checkout/sessions/{debit}")["payment_intent"])


def disputes(sandbox: Sandbox, raw: Raw) -> None:
    for moves in (("needs_response", "won"), ("warning_needs_response", "warning_closed"), ("lost",), ("prevented",)):
        made = sandbox.control("POST", "/disputes", {"charge": bought(sandbox, raw), "status": moves[0]})
        raw.answers.append(made)
        if moves[0] == "needs_response":
            raw.post(f"/v1/disputes/{made['id']}", evidence={"customer_name": "A"}, metadata={"a": "b"}, submit=True)
        for status in moves[1:]:
            raw.answers.append(sandbox.control("POST", f"/disputes/{made['id']}", {"status": status}))
    raw.get(f"/v1/disputes/{made['id']}", expand=["charge", "payment_intent"])
    reported = bought(sandbox, raw)
    raw.answers.append(sandbox.control("POST", "/fraud_warnings", {"charge": reported}))
    raw.post("/v1/refunds", charge=reported)


def intents(raw: Raw, customer: str) -> None:
    made = raw.post("/v1/payment_intents", amount=700, currency="usd", customer=customer, description="D")
    raw.post(f"/v1/payment_intents/{made['id']}", metadata={"a": "b"})
    raw.post(f"/v1/payment_intents/{made['id']}/confirm", payment_method="pm_card_visa")
    raw.get(f"/v1/payment_intents/{made['id']}", expand=["payment_method", "customer", "latest_charge"])
    raw("POST", "/v1/payment_intents", {"amount": 700, "currency": "usd", "payment_method": "pm_card_visa_chargeDeclined", "confirm": True})
    raw.post("/v1/payment_intents", amount=700, currency="usd", payment_method="pm_usBankAccount_success", confirm=True)
    raw.post("/v1/payment_intents", amount=700, currency="usd", payment_method="pm_card_createDispute", confirm=True)
    full = {"automatic_payment_methods": {"enabled": True}, "shipping": {"name": "Ada", "address": {"line1": "1"}}}
    open_one = raw.post("/v1/payment_intents", amount=700, currency="usd", payment_method="pm_card_visa", **full)
    raw.post(f"/v1/payment_intents/{open_one['id']}/cancel", cancellation_reason="abandoned")


def links(sandbox: Sandbox, raw: Raw) -> None:
    link = raw.post("/v1/payment_links", line_items=[ITEM], metadata={"a": "b"})
    raw.post("/v1/payment_links", line_items=[ITEM], payment_intent_data={"description": "D"}, after_completion={"type": "redirect", "redirect": {"url": SHOP}})
    raw.post(f"/v1/payment_links/{link['id']}", inactive_message="Gone")
    raw.get(f"/v1/payment_links/{link['id']}", expand=["line_items"])
    raw.answers.append(sandbox.control("POST", "/payment_links/pay", {"payment_link": link["id"]}))


def everything(raw: Raw, customer: str) -> None:
    """Each list and each search."""
    for name in LISTS:
        raw.get(f"/v1/{name}", limit=100)
    raw.get(f"/v1/customers/{customer}/payment_methods")
    raw.get("/v1/invoices", expand=["data.payments", "data.customer"])
    for name in ("charges", "customers", "invoices", "payment_intents", "prices", "products"):
        raw.get(f"/v1/{name}/search", query="created>0", limit=100)
    cursor: dict[str, str] = {}
    while True:
        page = raw.get("/v1/events", limit=100, **cursor)
        if not page["has_more"]:
            break
        cursor = {"starting_after": page["data"][-1]["id"]}


LISTS = (
    "balance_transactions",
    "billing_portal/configurations",
    "charges",
    "checkout/sessions",
    "coupons",
    "customers",
    "disputes",
    "invoice_payments",
    "invoices",
    "payment_intents",
    "payment_links",
    "prices",
    "products",
    "promotion_codes",
    "radar/early_fraud_warnings",
    "refunds",
    "webhook_endpoints",
)
