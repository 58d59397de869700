"""Refunds, in part or in full, and what happens when one fails."""

from __future__ import annotations

from stripe_sandbox.errors import StripeError, invalid, missing, no_such
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import list_objects
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.resources.balance import new_transaction
from stripe_sandbox.resources.fraud import settle_warnings
from stripe_sandbox.resources.payments import receipt_number
from stripe_sandbox.store import Json

# Statuses of refunds that count in a charge's amount_refunded. Stripe counts a refund at once, and takes it out again
# when it fails or is canceled.
LIVING = ("pending", "requires_action", "succeeded")
OPENING = LIVING
# Test cards whose refunds change their status later, and after how many seconds (at Stripe: "some time later").
SECOND_THOUGHTS, SECOND_THOUGHT_SECONDS = ("refund_waits", "refund_fails"), 2


def create(op: Operation, params: Json) -> Json:
    """``POST /v1/refunds``."""
    return new_refund(op, params, None)


def new_refund(op: Operation, params: Json, wanted: str | None) -> Json:
    """A refund in the status ``wanted``; None means the status that the charge's test card stands for.

    As at Stripe, it inherits nothing (metadata, customer) from charge, payment or session.
    """
    if wanted is not None and wanted not in OPENING:
        raise invalid(f"Invalid status: must be one of {', '.join(OPENING)}", "status")
    charge = refundable_charge(op, params)
    after = op.private(charge["id"]).get("after") if wanted is None else None
    status = wanted or ("pending" if after == "refund_waits" else "succeeded")
    amount = amount_of(charge, params.get("amount"))
    refund: Json = {
        "id": new_id("refund"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": op.now,
        "currency": charge["currency"],
        "customer": None,
        "customer_account": None,
        "destination_details": destination(charge),
        "metadata": merge_metadata({}, params.get("metadata") or {}),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
        "receipt_number": receipt_number() if charge["receipt_email"] else None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }
    if status == "pending":
        refund["pending_reason"] = "processing"
    op.put(refund)
    if status != "requires_action":
        change(refund, balance_transaction=new_transaction(op, refund, -amount, "refund", "REFUND FOR CHARGE")["id"])
    if after in SECOND_THOUGHTS:
        entry = {"refund": refund["id"], "how": after, "at": op.now + SECOND_THOUGHT_SECONDS}
        op.store.put("refund_to_end", refund["id"], entry)
    before = recount(op, charge)
    op.emit("refund.created", refund)
    op.emit("charge.refunded", charge, before)
    settle_warnings(op, charge)
    return refund


def refundable_charge(op: Operation, params: Json) -> Json:
    """The charge that ``charge`` or ``payment_intent`` means."""
    if "charge" in params:
        charge = op.get("charge", params["charge"], "charge")
        if params.get("payment_intent") not in (None, charge["payment_intent"]):
            raise invalid("The charge does not belong to the payment_intent.", "payment_intent")
    elif "payment_intent" in params:
        intent = op.get("payment_intent", params["payment_intent"], "payment_intent")
        found = op.store.get("charge", intent["latest_charge"] or "")
        if found is None:
            raise StripeError(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                param="payment_intent",
            )
        charge = found
    else:
        raise missing("payment_intent")
    if charge["status"] != "succeeded":
        raise StripeError(
            f"This charge ({charge['id']}) has not succeeded and cannot be refunded.", code="charge_not_refundable"
        )
    if any(not dispute["is_charge_refundable"] for dispute in op.store.of("dispute").having("charge", charge["id"])):
        raise StripeError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    return charge


def amount_of(charge: Json, wanted: int | None) -> int:
    """How much to refund: what is left, or the given part of it."""
    left: int = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise StripeError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if wanted is None:
        return left
    if wanted < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if wanted > left:
        noun = "charge amount" if left == charge["amount"] else "unrefunded amount on charge"
        raise invalid(f"Refund amount (${wanted / 100:,.2f}) is greater than {noun} (${left / 100:,.2f})", "amount")
    return wanted


def recount(op: Operation, charge: Json) -> Json:
    """Set the charge's sum of refunds from those that count. Returns the previous values."""
    refunds = op.store.of("refund").having("charge", charge["id"])
    refunded = sum(refund["amount"] for refund in refunds if refund["status"] in LIVING)
    previous = change(charge, amount_refunded=refunded, refunded=refunded == charge["amount"])
    op.put(charge)
    return previous


def fail(op: Operation, identifier: str, reason: str = "lost_or_stolen_card") -> Json:
    """Let the refund fail, even after it succeeded: its amount comes back to us."""
    refund = op.get("refund", identifier)
    if refund["status"] in {"failed", "canceled"}:
        raise StripeError(f"This refund has already {refund['status']}.", code="refund_status_invalid")
    back = new_transaction(op, refund, refund["amount"], "refund_failure", "REFUND FAILURE")
    previous = change(
        refund, status="failed", failure_reason=reason, failure_balance_transaction=back["id"], pending_reason=None
    )
    return end(op, refund, previous, "refund.failed")


def cancel(op: Operation, _params: Json, identifier: str) -> Json:
    """``POST /v1/refunds/{id}/cancel``: only one that waits for the customer."""
    refund = op.get("refund", identifier)
    if refund["status"] != "requires_action":
        raise StripeError(
            f"You cannot cancel a refund that has a status of {refund['status']}.", code="refund_status_invalid"
        )
    return end(op, refund, change(refund, status="canceled"), None)


def settle(op: Operation, identifier: str) -> Json:
    """Let a pending refund succeed."""
    refund = op.get("refund", identifier)
    if refund["status"] not in {"pending", "requires_action"}:
        raise StripeError(f"This refund is not under way: it is {refund['status']}.", code="refund_status_invalid")
    return end(op, refund, change(refund, status="succeeded", pending_reason=None), None)


def end(op: Operation, refund: Json, previous: Json, extra_event: str | None) -> Json:
    """Store a refund's new status, update its charge, and emit the events that Stripe emits."""
    op.put(refund)
    charge = op.get("charge", refund["charge"])
    before = recount(op, charge)
    if extra_event:
        op.emit(extra_event, refund)
    op.emit("refund.updated", refund, previous)
    op.emit("charge.refund.updated", refund, previous)
    if before:
        op.emit("charge.updated", charge, before)
    return refund


def update(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/refunds/{id}``: metadata only."""
    refund = op.get("refund", identifier)
    previous = (
        change(refund, metadata=merge_metadata(refund["metadata"], params["metadata"])) if "metadata" in params else {}
    )
    op.put(refund)
    if previous:
        op.emit("refund.updated", refund, previous)
        op.emit("charge.refund.updated", refund, previous)
    return refund


def list_refunds(op: Operation, params: Json) -> Json:
    """``GET /v1/refunds``."""
    for name in ("charge", "payment_intent"):
        if name in params and op.store.get(name, params[name]) is None:
            raise no_such(name, params[name], name, 400)
    return list_objects(op.store, "refund", "/v1/refunds", params)


def destination(charge: Json) -> Json:
    """Where the money goes."""
    if charge["payment_method_details"]["type"] == "card":
        return {
            "card": {
                "reference": "123456789012",
                "reference_status": "available",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        }
    return {"type": "us_bank_transfer", "us_bank_transfer": {"reference": None, "reference_status": "pending"}}
