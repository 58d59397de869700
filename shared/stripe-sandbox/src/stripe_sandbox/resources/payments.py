"""Payment intents and charges."""

from __future__ import annotations

import secrets

from stripe_sandbox.ids import new_id, random_text
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.resources.balance import new_transaction
from stripe_sandbox.resources.payment_methods import Buyer, billing_details, charged_details, new_payment_method
from stripe_sandbox.store import Json


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
        op, {**data, **{name: session.get(name) for name in taken}, "amount": session["amount_total"]}
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
        "automatic_payment_methods": automatic_methods(data.get("automatic_payment_methods")),
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": data.get("capture_method", "automatic_async"),
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
        "managed_payments": None,
        "metadata": merge_metadata({}, data.get("metadata") or {}),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": data.get("payment_method_types") or ["card"],
        "payment_record": None,
        "processing": None,
        "receipt_email": data.get("receipt_email"),
        "review": None,
        "setup_future_usage": data.get("setup_future_usage"),
        "shipping": data.get("shipping") or None,
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


def automatic_methods(given: Json | None) -> Json | None:
    """Whether ways to pay are chosen by the account's settings."""
    return {"allow_redirects": "always", **given} if given else None


def new_charge(op: Operation, intent: Json, buyer: Buyer, status: str) -> Json:
    """One attempt to pay. As at Stripe, metadata is copied from the payment intent now and not updated later."""
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
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{op.settings.public_url}/receipts/{identifier}",
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
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
    """Let the charge and its payment intent succeed."""
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
    """Let the charge fail; the payment intent waits for another attempt."""
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
