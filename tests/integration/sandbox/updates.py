"""What each update of the API may change, with a value that changes it."""

from __future__ import annotations

ADDRESS = {"line1": "1 Street", "city": "Berlin", "country": "DE"}
SHIPPING = {"name": "Ada", "address": ADDRESS}
# parameters class → parameter → a value that changes the fresh object. Left out: what ``REFUSED`` refuses.
CHANGES = {
    "ChargeUpdateParams": {
        "customer": lambda raw: raw.post("/v1/customers")["id"],
        "description": "D",
        "fraud_details": {"user_report": "safe"},
        "metadata": {"a": "b"},
        "receipt_email": "r@example.com",
        "shipping": SHIPPING,
        "transfer_group": "G",
    },
    "CouponUpdateParams": {
        "currency_options": {"eur": {"amount_off": 90}},
        "metadata": {"a": "b"},
        "name": "N",
    },
    "CustomerUpdateParams": {
        "address": ADDRESS,
        "balance": -5,
        "business_name": "B",
        "description": "D",
        "email": "new@example.com",
        "individual_name": "I",
        "invoice_prefix": "PREFIX",
        "invoice_settings": {"footer": "F", "custom_fields": [{"name": "n", "value": "v"}]},
        "metadata": {"a": "b"},
        "name": "N",
        "next_invoice_sequence": 7,
        "phone": "1",
        "preferred_locales": ["de"],
        "shipping": SHIPPING,
        "tax_exempt": "exempt",
    },
    "DisputeUpdateParams": {
        "evidence": {"customer_name": "A"},
        "intended_submission_method": "manual",
        "metadata": {"a": "b"},
        "submit": None,  # says whether evidence counts as handed in: see test_evidence
    },
    "PaymentIntentUpdateParams": {
        "allowed_payment_method_types": ["card"],
        "amount": 900,
        "capture_method": "automatic",
        "currency": "eur",
        "customer": lambda raw: raw.post("/v1/customers")["id"],
        "description": "D",
        "excluded_payment_method_types": ["us_bank_account"],
        "metadata": {"a": "b"},
        "payment_method": "pm_card_visa",
        "receipt_email": "r@example.com",
        "setup_future_usage": "off_session",
        "shipping": SHIPPING,
        "statement_descriptor": "S",
        "statement_descriptor_suffix": "T",
        "transfer_group": "G",
    },
    "PaymentLinkUpdateParams": {
        "active": False,
        "after_completion": {"type": "redirect", "redirect": {"url": "http://shop.test/"}},
        "allow_promotion_codes": True,
        "customer_creation": "always",
        "inactive_message": "M",
        "metadata": {"a": "b"},
    },
    "PriceUpdateParams": {
        "active": False,
        "currency_options": {"eur": {"unit_amount": 90}},
        "lookup_key": "updated",
        "metadata": {"a": "b"},
        "nickname": "N",
        "tax_behavior": "inclusive",
        "transfer_lookup_key": None,  # says whether another price gives its key up: see test_api_like_stripes
    },
    "ProductUpdateParams": {
        "active": False,
        "default_price": lambda raw: None,  # of the product itself: see test_default_price
        "description": "D",
        "images": ["http://shop.test/i.png"],
        "marketing_features": [{"name": "F"}],
        "metadata": {"a": "b"},
        "name": "N",
        "package_dimensions": {"height": 1, "length": 1, "weight": 1, "width": 1},
        "shippable": True,
        "statement_descriptor": "SHOP",
        "tax_code": "txcd_10000000",
        "tax_details": {"tax_code": "txcd_10000000"},
        "unit_label": "seat",
        "url": "http://shop.test/",
    },
    "PromotionCodeUpdateParams": {"active": False, "metadata": {"a": "b"}},
    "RefundUpdateParams": {"metadata": {"a": "b"}},
    "WebhookEndpointUpdateParams": {
        "description": "D",
        "disabled": True,
        "enabled_events": ["charge.refunded"],
        "metadata": {"a": "b"},
        "url": "http://127.0.0.1:9/other",
    },
    "billing_portal.ConfigurationUpdateParams": {
        "active": False,
        "business_profile": {"headline": "H"},
        "default_return_url": "http://shop.test/",
        "features": {"payment_method_update": {"enabled": True}},
        "login_page": {"enabled": True},
        "metadata": {"a": "b"},
        "name": "N",
    },
    "checkout.SessionUpdateParams": {"metadata": {"a": "b"}},
}
EXPANDED = {"CouponUpdateParams": ["currency_options"], "PriceUpdateParams": ["currency_options"]}
