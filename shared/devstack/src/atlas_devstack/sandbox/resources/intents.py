"""Payment intents that nobody's checkout session made: other people's payments in the same account."""

from __future__ import annotations

from atlas_devstack.sandbox.cards import BY_METHOD, DECLINES
from atlas_devstack.sandbox.errors import StripeError, invalid, no_such
from atlas_devstack.sandbox.operation import Operation, change, merge_metadata
from atlas_devstack.sandbox.resources.aftermath import follow_payment
from atlas_devstack.sandbox.resources.amounts import MIN_AMOUNT
from atlas_devstack.sandbox.resources.catalog import currency_of
from atlas_devstack.sandbox.resources.customers import living
from atlas_devstack.sandbox.resources.payments import fail, new_charge, new_payment_intent, succeed
from atlas_devstack.sandbox.store import Json

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
    card = BY_METHOD[params["payment_method"]]
    charge = new_charge(op, intent, card.buyer, "pending")
    if card.outcome == "paid":
        succeed(op, intent, charge)
        follow_payment(op, charge)
    elif card.outcome == "processing":
        change(intent, status="processing")
        op.put(intent)
        op.emit("charge.pending", charge)
        op.emit("payment_intent.processing", intent)
    else:
        reason = DECLINES[card.buyer.decline_code]
        fail(op, intent, charge, reason.code, reason.message, reason.decline_code)
        raise StripeError(
            reason.message, status=402, type="card_error", code=reason.code, decline_code=reason.decline_code
        )
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
    if method is not None and method not in BY_METHOD:
        raise no_such("PaymentMethod", method, "payment_method", 400)


def require_open(intent: Json, verb: str) -> None:
    """Refuse what comes too late."""
    if intent["status"] not in OPEN:
        raise StripeError(
            f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
