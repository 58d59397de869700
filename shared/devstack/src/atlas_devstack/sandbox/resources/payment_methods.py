"""What a buyer pays with: cards and bank accounts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from atlas_devstack.sandbox.ids import new_id
from atlas_devstack.sandbox.operation import Operation
from atlas_devstack.sandbox.store import Json


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who pays, with what.

    ``email``: as typed, else what the session or its customer know. ``method``: ``card`` or ``us_bank_account``.
    ``after``: what follows a payment with this card (see ``aftermath``); empty for nothing.
    """

    email: str | None = None
    name: str | None = None
    method: str = "card"
    brand: str = "visa"
    last4: str = "4242"
    decline_code: str = "generic_decline"
    after: str = ""

    def by_bank(self) -> Buyer:
        """The same buyer, paying by bank debit."""
        return replace(self, method="us_bank_account", last4="6789")


def new_payment_method(op: Operation, intent: Json, buyer: Buyer) -> Json:
    """What the buyer pays with."""
    method: Json = {
        "id": new_id("payment_method"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": billing_details(buyer),
        buyer.method: method_details(buyer, op.now),
        "created": op.now,
        "customer": intent["customer"],
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": buyer.method,
    }
    return op.put(method)


def billing_details(buyer: Buyer) -> Json:
    """Who the payment method belongs to."""
    address = {"city": None, "country": "US", "line1": None, "line2": None, "postal_code": "10001", "state": None}
    return {"address": address, "email": buyer.email, "name": buyer.name, "phone": None, "tax_id": None}


def method_details(buyer: Buyer, now: int) -> Json:
    """The card, or the bank account."""
    if buyer.method == "us_bank_account":
        return {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "financial_connections_account": None,
            "fingerprint": "Zq8zAtlasSandbox",
            "last4": buyer.last4,
            "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": "110000000",
            "status_details": {},
        }
    year = 1970 + now // 31_556_952
    return {
        "brand": buyer.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": "pass", "cvc_check": "pass"},
        "country": "US",
        "display_brand": buyer.brand,
        "exp_month": 12,
        "exp_year": year + 4,
        "fingerprint": f"AtlasSandbox{buyer.last4}",
        "funding": "credit",
        "generated_from": None,
        "last4": buyer.last4,
        "networks": {"available": [buyer.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def charged_details(buyer: Buyer, now: int, amount: int) -> Json:
    """``payment_method_details`` of a charge."""
    details = method_details(buyer, now)
    if buyer.method == "us_bank_account":
        kept = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")
        return {
            **{name: details[name] for name in kept},
            "payment_reference": None,
        }
    shown = (
        "brand",
        "checks",
        "country",
        "exp_month",
        "exp_year",
        "fingerprint",
        "funding",
        "last4",
        "regulated_status",
        "wallet",
    )
    return {
        **{name: details[name] for name in shown},
        "amount_authorized": amount,
        "authorization_code": "123456",
        "electronic_commerce_indicator": None,
        "installments": None,
        "mandate": None,
        "network": buyer.brand,
        "network_token": {"used": False},
        "network_transaction_id": "104102108110977",
        "three_d_secure": None,
        "transaction_link_id": None,
    }
