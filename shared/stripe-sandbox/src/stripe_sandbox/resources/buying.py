"""What the buyer does: pays, is declined, or starts a payment that settles later."""

from __future__ import annotations

from dataclasses import replace

from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.ids import random_text
from stripe_sandbox.operation import Operation, change
from stripe_sandbox.resources.aftermath import follow_payment
from stripe_sandbox.resources.cards import DECLINES
from stripe_sandbox.resources.checkout import fresh
from stripe_sandbox.resources.choosing import locate, payable
from stripe_sandbox.resources.collecting import keep_details
from stripe_sandbox.resources.coupons import redeem
from stripe_sandbox.resources.customers import new_customer
from stripe_sandbox.resources.invoices import new_invoice, tell_paid
from stripe_sandbox.resources.payment_methods import Buyer, billing_details
from stripe_sandbox.resources.payments import fail, intent_of_session, new_charge, succeed
from stripe_sandbox.resources.session_shape import details
from stripe_sandbox.store import Json

OUTCOMES = ("paid", "processing", "declined")
SETTLEMENTS = ("succeeded", "failed")
SOMEBODY = "buyer@example.com"


def pay(op: Operation, identifier: str, outcome: str, buyer: Buyer) -> Json:
    """Let the buyer pay an open session, with the given outcome. Returns the session as it is afterwards.

    A declined card leaves the session open. Raises StripeError when the session isn't open any more.
    """
    if outcome not in OUTCOMES:
        raise invalid(f"Invalid outcome: must be one of {', '.join(OUTCOMES)}", "outcome")
    session = payable(op, identifier)
    locate(op, session)
    buyer = known(op, session, buyer)
    if outcome == "declined" and session["amount_total"]:
        return decline(op, session, buyer)
    identify_buyer(op, session, buyer)
    if session["mode"] == "subscription":
        change(session, subscription=f"sub_1{random_text(23)}", payment_status="paid")
    elif session["mode"] == "setup":
        change(session, setup_intent=f"seti_1{random_text(23)}")
    elif not session["amount_total"]:
        complete_free(op, session)
        return session
    elif outcome == "processing":
        start_delayed(op, session, buyer.by_bank() if buyer.method == "card" else buyer)
        return session
    else:
        complete_paid(op, session, buyer)
        return session
    complete(op, session, "checkout.session.completed")
    return session


def complete_paid(op: Operation, session: Json, buyer: Buyer) -> None:
    """An immediate payment."""
    intent = intent_of(op, session)
    charge = new_charge(op, intent, buyer, "pending")
    succeed(op, intent, charge)
    change(session, payment_status="paid")
    invoice = invoice_if_wanted(op, session, charge)
    complete(op, session, "checkout.session.completed")
    tell_paid(op, invoice)
    follow_payment(op, charge)


def complete_free(op: Operation, session: Json) -> None:
    """A session without anything to pay, because of a coupon of 100 %."""
    invoice = invoice_if_wanted(op, session, None)
    complete(op, session, "checkout.session.completed")
    tell_paid(op, invoice)


def start_delayed(op: Operation, session: Json, buyer: Buyer) -> None:
    """A bank debit: the session completes now, the payment succeeds or fails later (``settle``)."""
    intent = intent_of(op, session)
    charge = new_charge(op, intent, buyer, "pending")
    change(intent, status="processing")
    op.put(intent)
    op.emit("charge.pending", charge)
    op.emit("payment_intent.processing", intent)
    complete(op, session, "checkout.session.completed")


def settle(op: Operation, identifier: str, result: str) -> Json:
    """Let a delayed payment succeed or fail. Returns the session as it is afterwards."""
    if result not in SETTLEMENTS:
        raise invalid(f"Invalid result: must be one of {', '.join(SETTLEMENTS)}", "result")
    session = fresh(op, identifier)
    intent = op.store.get("payment_intent", session["payment_intent"] or "")
    if intent is None or intent["status"] != "processing":
        raise StripeError(
            "This Checkout Session has no payment that is still processing.", code="payment_intent_unexpected_state"
        )
    charge = op.get("charge", intent["latest_charge"])
    if result == "failed":
        fail(
            op,
            intent,
            charge,
            "payment_intent_payment_attempt_failed",
            "The customer's bank account could not be debited.",
        )
        complete(op, session, "checkout.session.async_payment_failed")
        return session
    succeed(op, intent, charge)
    change(session, payment_status="paid")
    invoice = invoice_if_wanted(op, session, charge)
    complete(op, session, "checkout.session.async_payment_succeeded")
    tell_paid(op, invoice)
    return session


def decline(op: Operation, session: Json, buyer: Buyer) -> Json:
    """The bank declines: the charge fails, and the session stays open for another card."""
    intent = intent_of(op, session)
    charge = new_charge(op, intent, buyer, "pending")
    reason = DECLINES[buyer.decline_code]
    fail(op, intent, charge, reason.code, reason.message, reason.decline_code)
    op.put(session)
    return session


def intent_of(op: Operation, session: Json) -> Json:
    """The session's payment intent, made at the buyer's first attempt and used again for each further one."""
    if session["payment_intent"] is not None:
        intent = op.get("payment_intent", session["payment_intent"])
        change(intent, amount=session["amount_total"], currency=session["currency"])
        return op.put(intent)
    intent = intent_of_session(op, session)
    change(session, payment_intent=intent["id"])
    return intent


def known(op: Operation, session: Json, buyer: Buyer) -> Buyer:
    """The buyer; missing e-mail address and name are taken from the session and its customer."""
    customer = op.store.get("customer", session["customer"] or "") or {}
    email = buyer.email or session["customer_email"] or customer.get("email") or SOMEBODY
    return replace(buyer, email=email, name=buyer.name or customer.get("name"))


def identify_buyer(op: Operation, session: Json, buyer: Buyer) -> None:
    """Fill ``customer_details``, and make a customer where the session asks for one."""
    customer = op.store.get("customer", session["customer"] or "")
    wanted = session["customer_creation"] == "always" or session["mode"] == "subscription" or wants_invoice(session)
    if customer is None and wanted:
        customer = new_customer(op, {"email": buyer.email, **({"name": buyer.name} if buyer.name else {})})
        change(session, customer=customer["id"])
        if session["payment_intent"]:
            intent = op.get("payment_intent", session["payment_intent"])
            change(intent, customer=customer["id"])
            op.put(intent)
    elif customer is not None:
        leave = op.private(session["id"]).get("customer_update", {})
        keep_details(op, customer, leave, buyer.email, billing_details(buyer)["address"])
    change(session, customer_details=details(buyer.email, buyer.name))


def wants_invoice(session: Json) -> bool:
    """Whether ``invoice_creation`` is on."""
    return bool((session["invoice_creation"] or {}).get("enabled"))


def invoice_if_wanted(op: Operation, session: Json, charge: Json | None) -> Json | None:
    """The paid invoice, when the session asks for one."""
    customer = op.store.get("customer", session["customer"] or "") or {}
    if not wants_invoice(session) or customer.get("deleted"):
        return None
    invoice = new_invoice(op, session, charge)
    change(session, invoice=invoice["id"])
    return invoice


def complete(op: Operation, session: Json, event: str) -> None:
    """Complete the session, with its event."""
    change(session, status="complete", url=None)
    op.put(session)
    op.emit(event, session)
    if event == "checkout.session.completed":
        redeem(op, session["discounts"] or [])
