"""Payment intents that nobody's checkout session made: other people's payments in the same account."""

from __future__ import annotations

from atlas_devstack.sandbox.errors import StripeError, invalid, no_such
from atlas_devstack.sandbox.operation import Operation, change, merge_metadata
from atlas_devstack.sandbox.resources.catalog import currency_of
from atlas_devstack.sandbox.resources.checkout import MIN_AMOUNT
from atlas_devstack.sandbox.resources.customers import living
from atlas_devstack.sandbox.resources.payment_methods import Buyer
from atlas_devstack.sandbox.resources.payments import fail, new_charge, new_payment_intent, succeed
from atlas_devstack.sandbox.store import Json

# Stripe's test payment methods, and what comes of them
TEST_METHODS = {
    "pm_card_visa": ("paid", Buyer()),
    "pm_card_visa_chargeDeclined": ("declined", Buyer(last4="0002")),
    "pm_usBankAccount_success": ("processing", Buyer().by_bank()),
}
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(op: Operation, params: Json) -> Json:
    """``POST /v1/payment_intents``, confirmed at once with ``confirm``."""
    if "customer" in params:
        living(op, params["customer"], "customer")
    if params["amount"] < MIN_AMOUNT:
        raise invalid("Amount must be at least $0.50 usd", "amount", "amount_too_small")
    check_method(params)
    given = {**params, "currency": currency_of(params["currency"], "currency")}
    intent = new_payment_intent(op, given)
    return confirm(op, params, intent["id"]) if params.get("confirm") else intent


def confirm(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/payment_intents/{id}/confirm`` with one of Stripe's test payment methods."""
    intent = op.get("payment_intent", identifier)
    require_open(intent, "confirm")
    check_method(params)
    if "payment_method" not in params:
        raise StripeError(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    outcome, buyer = TEST_METHODS[params["payment_method"]]
    charge = new_charge(op, intent, buyer, "pending")
    if outcome == "paid":
        succeed(op, intent, charge)
    elif outcome == "processing":
        change(intent, status="processing")
        op.put(intent)
        op.emit("charge.pending", charge)
        op.emit("payment_intent.processing", intent)
    else:
        message = "Your card was declined."
        fail(op, intent, charge, "card_declined", message, buyer.decline_code)
        raise StripeError(message, status=402, type="card_error", code="card_declined", decline_code=buyer.decline_code)
    return intent


def cancel(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/payment_intents/{id}/cancel``."""
    intent = op.get("payment_intent", identifier)
    require_open(intent, "cancel")
    change(intent, status="canceled", canceled_at=op.now, cancellation_reason=params.get("cancellation_reason"))
    op.put(intent)
    op.emit("payment_intent.canceled", intent)
    return intent


def update(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/payment_intents/{id}``: description and metadata; the charge keeps what it copied."""
    intent = op.get("payment_intent", identifier)
    changes: Json = {"description": params["description"]} if "description" in params else {}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    change(intent, **changes)
    return op.put(intent)


def check_method(params: Json) -> None:
    """Only Stripe's test payment methods exist here."""
    method = params.get("payment_method")
    if method is not None and method not in TEST_METHODS:
        raise no_such("PaymentMethod", method, "payment_method", 400)


def require_open(intent: Json, verb: str) -> None:
    """Refuse what comes too late."""
    if intent["status"] not in OPEN:
        raise StripeError(
            f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
