"""Identifiers with Stripe's prefixes and lengths."""

from __future__ import annotations

import secrets
import string

ALPHABET = string.ascii_letters + string.digits
# Every byte becomes a letter or digit. Some are slightly more frequent, which does no harm here.
_LETTER_OF_BYTE = (ALPHABET.encode() * 5)[:256]

# object name → (prefix, number of random characters), as seen in Stripe's test mode
SHAPES: dict[str, tuple[str, int]] = {
    "balance_transaction": ("txn_3", 23),
    "billing_portal.configuration": ("bpc_1", 23),
    "billing_portal.session": ("bps_1", 23),
    "charge": ("ch_3", 23),
    "checkout.session": ("cs_test_a1", 56),
    "coupon": ("", 8),
    "customer": ("cus_", 14),
    "dispute": ("du_1", 23),
    "event": ("evt_1", 23),
    "invoice": ("in_1", 23),
    "invoice_payment": ("inpay_1", 23),
    "item": ("li_1", 23),
    "line_item": ("il_1", 23),
    "payment_intent": ("pi_3", 23),
    "payment_link": ("plink_1", 23),
    "payment_method": ("pm_1", 23),
    "price": ("price_1", 23),
    "product": ("prod_", 14),
    "promotion_code": ("promo_1", 23),
    "radar.early_fraud_warning": ("issfr_1", 23),
    "refund": ("re_3", 23),
    "request": ("req_", 14),
    "webhook_endpoint": ("we_1", 23),
}

# id prefix → object name, to find what an id in a field refers to
OBJECT_BY_PREFIX: dict[str, str] = {
    prefix.split("_")[0] + "_": name for name, (prefix, _) in SHAPES.items() if prefix and name != "request"
}


def new_id(object_name: str) -> str:
    """A fresh identifier for an object of this kind."""
    prefix, length = SHAPES[object_name]
    return prefix + random_text(length)


def random_text(length: int) -> str:
    """Random letters and digits from the system's source of randomness."""
    return secrets.token_bytes(length).translate(_LETTER_OF_BYTE).decode()


def object_of(identifier: str) -> str | None:
    """The object name that an identifier's prefix stands for, if it is one of Stripe's."""
    prefix, underscore, rest = identifier.partition("_")
    return OBJECT_BY_PREFIX.get(prefix + underscore) if rest else None
