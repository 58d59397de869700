"""Payment intents, charges, payment methods and balance transactions: what money that moves looks like."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from atlas_devstack.sandbox.ids import new_id, random_text
from atlas_devstack.sandbox.operation import Operation, change, merge_metadata
from atlas_devstack.sandbox.store import Json

# Stripe's usual price: 2.9 % + 30 minor units
FEE_RATE, FEE_FIXED = 0.029, 30
SETTLEMENT_SECONDS = 2 * 24 * 60 * 60  # until a payment's money is available


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


def intent_of_session(op: Operation, session: Json) -> Json:
    """The payment intent that a session's first attempt makes; metadata comes from ``payment_intent_data``."""
    data = op.private(session["id"]).get("payment_intent_data", {})
    taken = (
        "currency",
        "customer",
        "allowed_payment_method_types",
        "excluded_payment_method_types",
        "payment_method_types",
    )
    return new_payment_intent(
        op, {**data, **{name: session[name] for name in taken}, "amount": session["amount_total"]}
    )


def new_payment_intent(op: Operation, data: Json) -> Json:
    """A payment intent that waits for a payment method."""
    identifier = new_id("payment_intent")
    intent: Json = {
        "id": identifier,
        "object": "payment_intent",
        "allowed_payment_method_types": data.get("allowed_payment_method_types"),
        "amount": data["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{identifier}_secret_{random_text(25)}",
        "confirmation_method": "automatic",
        "created": op.now,
        "currency": data["currency"],
        "customer": data.get("customer"),
        "customer_account": None,
        "description": data.get("description"),
        "excluded_payment_method_types": data.get("excluded_payment_method_types"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merge_metadata({}, data.get("metadata") or {}),
        "next_action": None,
        "on_behalf_of": None,
        "payment_details": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": data.get("payment_method_types", ["card"]),
        "processing": None,
        "receipt_email": data.get("receipt_email"),
        "review": None,
        "setup_future_usage": data.get("setup_future_usage"),
        "shipping": None,
        "source": None,
        "statement_descriptor": data.get("statement_descriptor"),
        "statement_descriptor_suffix": data.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": data.get("transfer_group"),
    }
    op.put(intent)
    op.emit("payment_intent.created", intent)
    return intent


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


def new_charge(op: Operation, intent: Json, buyer: Buyer, status: str) -> Json:
    """One attempt to move the money; metadata is copied from the payment intent now and never again."""
    method = new_payment_method(op, intent, buyer)
    identifier = new_id("charge")
    charge: Json = {
        "id": identifier,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": billing_details(buyer),
        "calculated_statement_descriptor": "ATLAS",
        "captured": False,
        "created": op.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": outcome("authorized", "Payment complete."),
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {
            "type": buyer.method,
            buyer.method: charged_details(buyer, op.now, intent["amount"]),
        },
        "presentment_details": None,
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{op.settings.public_url}/receipts/{identifier}",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": status,
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }
    op.put(charge)
    if buyer.after:
        op.put_private(identifier, {"after": buyer.after})
    change(intent, latest_charge=identifier, payment_method=method["id"])
    op.put(intent)
    return charge


def succeed(op: Operation, intent: Json, charge: Json) -> None:
    """The money is here."""
    transaction = new_transaction(op, charge, charge["amount"], "charge", charge["description"])
    change(
        charge,
        status="succeeded",
        paid=True,
        captured=True,
        amount_captured=charge["amount"],
        balance_transaction=transaction["id"],
    )
    email = charge["receipt_email"] or charge["billing_details"]["email"]
    if email:
        change(charge, receipt_email=email, receipt_number=receipt_number())
    change(intent, status="succeeded", amount_received=charge["amount"], last_payment_error=None, processing=None)
    op.put(charge)
    op.put(intent)
    op.emit("charge.succeeded", charge)
    op.emit("payment_intent.succeeded", intent)


def receipt_number() -> str:
    """The number of a receipt that is sent by e-mail, as Stripe writes it: ``1234-5678``."""
    digits = f"{secrets.randbelow(10**8):08d}"
    return f"{digits[:4]}-{digits[4:]}"


def fail(op: Operation, intent: Json, charge: Json, code: str, message: str, decline_code: str | None = None) -> None:
    """The attempt didn't work; the payment intent waits for another one."""
    result = outcome(
        "declined_by_network", "The bank did not return any further details with this decline.", decline_code or code
    )
    change(charge, status="failed", failure_code=code, failure_message=message, outcome=result)
    error: Json = {
        "charge": charge["id"],
        "code": code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": message,
        "payment_method": op.get("payment_method", charge["payment_method"]),
        "type": "card_error" if charge["payment_method_details"]["type"] == "card" else "invalid_request_error",
    }
    if decline_code:
        error["decline_code"] = decline_code
    change(intent, status="requires_payment_method", last_payment_error=error, payment_method=None, processing=None)
    op.put(charge)
    op.put(intent)
    op.emit("charge.failed", charge)
    op.emit("payment_intent.payment_failed", intent)


def new_transaction(op: Operation, source: Json, amount: int, kind: str, description: str | None) -> Json:
    """A movement on our balance, in minor units, at this moment; ``created`` is when the money moved."""
    fee = round(amount * FEE_RATE) + FEE_FIXED if kind == "charge" else 0
    category = {"charge": "charge", "refund": "refund", "refund_failure": "refund_failure", "adjustment": "dispute"}[
        kind
    ]
    transaction: Json = {
        "id": new_id("balance_transaction"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": op.now + (SETTLEMENT_SECONDS if kind == "charge" else 0),
        "balance_type": "payments",
        "created": op.now,
        "currency": source["currency"],
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": fee_details(fee, source["currency"]),
        "net": amount - fee,
        "reporting_category": category,
        "source": source["id"],
        "status": "pending" if kind == "charge" else "available",
        "type": kind,
    }
    return op.put(transaction)


def fee_details(fee: int, currency: str) -> list[Json]:
    """What a fee is made of."""
    if not fee:
        return []
    entry = {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return [entry]


def outcome(network_status: str, message: str, reason: str | None = None) -> Json:
    """A charge's ``outcome``."""
    approved = network_status == "authorized"
    network_status = "approved_by_network" if approved else network_status
    return {
        "advice_code": None if approved else "try_again_later",
        "network_advice_code": None,
        "network_decline_code": None if approved else "01",
        "network_status": network_status,
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": message,
        "type": "authorized" if approved else "issuer_declined",
    }


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
            "expected_debit_date": None,
            "mandate": None,
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
        "installments": None,
        "mandate": None,
        "network": buyer.brand,
        "network_token": {"used": False},
        "network_transaction_id": "104102108110977",
        "three_d_secure": None,
    }
