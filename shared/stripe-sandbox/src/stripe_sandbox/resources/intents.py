"""Payment intents that were not made by a checkout session, like other payments in the same account."""

from __future__ import annotations

import copy

from stripe_sandbox.errors import StripeError, invalid, no_such
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.resources.aftermath import follow_payment
from stripe_sandbox.resources.amounts import MIN_AMOUNT
from stripe_sandbox.resources.cards import BY_METHOD, DECLINES
from stripe_sandbox.resources.catalog import currency_of
from stripe_sandbox.resources.customers import living, shipping_of
from stripe_sandbox.resources.payment_methods import new_payment_method
from stripe_sandbox.resources.payments import fail, new_charge, new_payment_intent, succeed
from stripe_sandbox.store import Json

SETTABLE = (
    "allowed_payment_method_types",
    "amount",
    "capture_method",
    "customer",
    "description",
    "excluded_payment_method_types",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
CONFIRMABLE = (
    "allowed_payment_method_types",
    "capture_method",
    "excluded_payment_method_types",
    "receipt_email",
    "setup_future_usage",
    "shipping",
)
ANYTIME = ("description", "metadata", "receipt_email", "shipping", "transfer_group")  # also of a payment that is over
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(op: Operation, params: Json) -> Json:
    """``POST /v1/payment_intents``, confirmed at once with ``confirm``."""
    check(op, params)
    given = {**params, "currency": currency_of(params["currency"], "currency")}
    if "shipping" in params:
        given["shipping"] = shipping_of(params["shipping"])
    intent = new_payment_intent(op, given)
    if params.get("confirm"):
        return confirm(op, params, intent["id"])
    choose_method(op, intent, params)
    return op.put(intent)


def check(op: Operation, params: Json) -> None:
    """Check customer, amount and payment method. Raises StripeError."""
    if "customer" in params:
        living(op, params["customer"], "customer")
    if params.get("amount", MIN_AMOUNT) < MIN_AMOUNT:
        raise invalid("Amount must be at least $0.50 usd", "amount", "amount_too_small")
    check_method(params)


def choose_method(op: Operation, intent: Json, params: Json) -> None:
    """Store the test payment method with which a later confirmation will pay."""
    if "payment_method" in params:
        method = new_payment_method(op, intent, BY_METHOD[params["payment_method"]].buyer)
        change(intent, payment_method=method["id"], status="requires_confirmation")
        op.put_private(intent["id"], {**op.private(intent["id"]), "payment_method": params["payment_method"]})


def confirm(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/payment_intents/{id}/confirm`` with one of Stripe's test payment methods."""
    intent = op.get("payment_intent", identifier)
    require_open(intent, "confirm")
    check_method(params)
    chosen = params.get("payment_method") or (intent["payment_method"] and op.private(identifier).get("payment_method"))
    if not chosen:
        raise StripeError(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    change(intent, **changes_of(intent, {name: params[name] for name in CONFIRMABLE if name in params}))
    card = BY_METHOD[chosen]
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
            reason.message,
            status=402,
            type="card_error",
            code=reason.code,
            decline_code=reason.decline_code,
            about=declined(intent),
        )
    return intent


def declined(intent: Json) -> Json:
    """What a card error says beside its code: whatever was made before the bank declined, as it is then."""
    told = intent["last_payment_error"]
    members = {
        "advice_code": "try_again_later",
        "charge": told["charge"],
        "payment_intent": intent,
        "payment_method": told["payment_method"],
    }
    return copy.deepcopy(members)


def cancel(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/payment_intents/{id}/cancel``."""
    intent = op.get("payment_intent", identifier)
    require_open(intent, "cancel")
    change(intent, status="canceled", canceled_at=op.now, cancellation_reason=params.get("cancellation_reason"))
    op.put(intent)
    op.emit("payment_intent.canceled", intent)
    return intent


def update(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/payment_intents/{id}``. The charge doesn't change; after the payment only ANYTIME can be set."""
    intent = op.get("payment_intent", identifier)
    late = [name for name in params if name not in ANYTIME]
    if late:
        require_open(intent, "update")
    check(op, params)
    change(intent, **changes_of(intent, params))
    choose_method(op, intent, params)
    return op.put(intent)


def changes_of(intent: Json, params: Json) -> Json:
    """The members that these parameters set; an empty value unsets."""
    changes: Json = {name: params[name] or None for name in SETTABLE if name in params}
    if "currency" in params:
        changes["currency"] = currency_of(params["currency"], "currency")
    if "shipping" in params:
        changes["shipping"] = shipping_of(params["shipping"])
    if "metadata" in params:
        changes["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    return changes


def check_method(params: Json) -> None:
    """Refuse everything but Stripe's test payment methods."""
    method = params.get("payment_method")
    if method is not None and method not in BY_METHOD:
        raise no_such("PaymentMethod", method, "payment_method", 400)


def require_open(intent: Json, verb: str) -> None:
    """Refuse an action on a payment intent that is processing, succeeded or canceled."""
    if intent["status"] not in OPEN:
        raise StripeError(
            f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
