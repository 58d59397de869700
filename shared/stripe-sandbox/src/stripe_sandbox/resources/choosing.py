"""What the buyer chooses on an open session before paying: the currency, a promotion code, the address."""

from __future__ import annotations

from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.operation import Operation
from stripe_sandbox.resources.amounts import reckon
from stripe_sandbox.resources.checkout import fresh
from stripe_sandbox.resources.coupons import find_code, is_usable
from stripe_sandbox.resources.offers import cost, offers
from stripe_sandbox.store import Json


def payable(op: Operation, identifier: str) -> Json:
    """The session, if it can still be paid. Otherwise raises a StripeError that says why not."""
    session = fresh(op, identifier)
    if session["status"] != "open":
        raise StripeError(
            f"This Checkout Session is not open any more: it is {session['status']}.",
            code=f"checkout_session_{session['status']}",
        )
    customer = op.store.get("customer", session["customer"] or "") or {}
    if customer.get("deleted"):
        raise StripeError(
            f"This Checkout Session can't be paid any more, because its customer was deleted. No such customer: "
            f"'{customer['id']}'",
            code="resource_missing",
            param="customer",
        )
    return session


def currencies(op: Operation, session: Json) -> dict[str, int]:
    """The session's subtotal, in minor units, in each currency that all of its prices offer.

    Empty where the buyer can't choose a currency.
    """
    private = op.private(session["id"])
    if private.get("currency_given") or not private.get("line_items"):
        return {}
    amounts = [
        {currency: cost(amount, item["quantity"]) for currency, amount in offers(op, item["price"]).items()}
        for item in private["line_items"]
    ]
    common = [currency for currency in amounts[0] if all(currency in each for each in amounts)]
    return {currency: sum(each[currency] for each in amounts) for currency in common} if len(common) > 1 else {}


def choose_currency(op: Operation, identifier: str, currency: str) -> Json:
    """Change the session to another of its prices' currencies."""
    session = payable(op, identifier)
    if currency != session["currency"] and currency not in currencies(op, session):
        raise invalid(f"This Checkout Session is not offered in `{currency}`.", "currency")
    reckon(op, session, currency=currency)
    return session


def apply_code(op: Operation, identifier: str, word: str) -> Json:
    """Apply a promotion code; it replaces one that was applied before. Raises StripeError."""
    session = payable(op, identifier)
    if not session["allow_promotion_codes"]:
        raise invalid("This Checkout Session takes no promotion codes.", "promotion_code")
    code = find_code(op, word.strip())
    coupon = op.store.get("coupon", code["promotion"]["coupon"]) if code else None
    if code is None or coupon is None:
        raise invalid("This code is invalid.", "promotion_code")
    if not is_usable(op, code) or not is_usable(op, coupon):
        raise invalid("This code has expired.", "promotion_code")
    check_restrictions(op, session, code)
    before, private = session["discounts"], op.private(session["id"])
    op.put_private(session["id"], {**private, "coupon": coupon})
    session["discounts"] = [{"coupon": coupon["id"], "promotion_code": code["id"]}]
    try:
        reckon(op, session)
    except StripeError as error:
        session["discounts"] = before
        op.put_private(session["id"], private)
        raise invalid(f"This code can't be applied to this order. {error.message}", "promotion_code") from None
    return session


def check_restrictions(op: Operation, session: Json, code: Json) -> None:
    """Refuse a code that belongs to another customer, or that is only for larger or first orders."""
    if code["customer"] not in (None, session["customer"]):
        raise invalid("This code is invalid.", "promotion_code")
    limits = code["restrictions"]
    least = limits["minimum_amount"]
    if least is not None and (
        limits["minimum_amount_currency"] != session["currency"] or session["amount_subtotal"] < least
    ):
        raise invalid("This code needs a larger order.", "promotion_code")
    paid = op.store.of("payment_intent").having("customer", session["customer"] or "")
    if limits["first_time_transaction"] and any(intent["status"] == "succeeded" for intent in paid):
        raise invalid("This code is for first orders only.", "promotion_code")


def remove_code(op: Operation, identifier: str) -> Json:
    """Take an applied promotion code off again; a discount that the shop gave stays."""
    session = payable(op, identifier)
    if session["allow_promotion_codes"] and session["discounts"]:
        session["discounts"] = []
        reckon(op, session)
    return session


def locate(op: Operation, session: Json) -> None:
    """Compute automatic tax, because the buyer's address is known now."""
    if session["automatic_tax"]["status"] == "requires_location_inputs":
        session["automatic_tax"] = {**session["automatic_tax"], "status": "complete"}
        reckon(op, session)
