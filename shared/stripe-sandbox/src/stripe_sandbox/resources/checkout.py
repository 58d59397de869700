"""Checkout sessions until the buyer pays (for that see ``buying``)."""

from __future__ import annotations

from urllib.parse import urlsplit

from stripe_sandbox.errors import StripeError, invalid, missing
from stripe_sandbox.listing import list_objects, page_of
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.resources import coupons
from stripe_sandbox.resources.amounts import Totals, add_up, require_enough
from stripe_sandbox.resources.collecting import automatic_tax, check_collection
from stripe_sandbox.resources.customers import check_email, living
from stripe_sandbox.resources.line_items import build_items
from stripe_sandbox.resources.session_shape import new_session
from stripe_sandbox.store import Json

MIN_LIFE, MAX_LIFE = 30 * 60, 24 * 60 * 60  # seconds a session may stay open
MAX_REFERENCE = 200


def create(op: Operation, params: Json) -> Json:
    """``POST /v1/checkout/sessions``."""
    mode = params.get("mode")
    if mode is None:
        raise missing("mode")
    check_parties(op, params)
    check_collection(op, params)
    check_urls(params)
    expires_at = expiry_of(op, params)
    coupon, code = coupons.found(op, params.get("discounts", []))
    coupons.require_usable(op, coupon, code)
    items, totals = priced(op, params, mode, coupon)
    discounts = [{"coupon": coupon["id"], "promotion_code": code["id"] if code else None}] if coupon else []
    session = new_session(op, params, totals, discounts, expires_at)
    op.put_private(
        session["id"],
        {
            "line_items": items,
            "payment_intent_data": params.get("payment_intent_data", {}),
            "invoice_data": params.get("invoice_creation", {}).get("invoice_data", {}),
            "currency_given": "currency" in params,
            "coupon": coupon,
            "customer_update": params.get("customer_update", {}),
        },
    )
    return op.put(session)


def check_parties(op: Operation, params: Json) -> None:
    """Check that the customer exists, and that the parameters about the buyer don't contradict each other."""
    if "customer" in params:
        if "customer_email" in params:
            raise invalid("You may only specify one of these parameters: customer, customer_email.", "customer_email")
        if "customer_creation" in params:
            raise invalid(
                "You may only specify one of these parameters: customer, customer_creation.", "customer_creation"
            )
        living(op, params["customer"], "customer")
    check_email(params.get("customer_email"), "customer_email")
    if len(params.get("client_reference_id", "")) > MAX_REFERENCE:
        raise invalid(
            f"Invalid string: client_reference_id must be at most {MAX_REFERENCE} characters", "client_reference_id"
        )
    if "discounts" in params and "allow_promotion_codes" in params:
        raise invalid("You may only specify one of these parameters: allow_promotion_codes, discounts.", "discounts")
    if "allowed_payment_method_types" in params and "excluded_payment_method_types" in params:
        raise invalid(
            "You may only specify one of these parameters: "
            "allowed_payment_method_types, excluded_payment_method_types.",
            "excluded_payment_method_types",
        )


def check_urls(params: Json) -> None:
    """Check the return addresses; a hosted page needs a success_url."""
    if params.get("ui_mode", "hosted_page") == "hosted_page" and "success_url" not in params:
        raise missing("success_url")
    for name in ("success_url", "cancel_url", "return_url"):
        if name in params:
            try:
                parts = urlsplit(params[name])
            except ValueError:
                raise invalid("Not a valid URL", name, "url_invalid") from None
            if parts.scheme not in {"http", "https"} or not parts.netloc:
                raise invalid("Not a valid URL", name, "url_invalid")


def expiry_of(op: Operation, params: Json) -> int:
    """When the session closes by itself: 30 minutes to 24 hours from now."""
    expires_at: int = params.get("expires_at", op.now + MAX_LIFE)
    if expires_at > op.now + MAX_LIFE:
        raise invalid(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", "expires_at"
        )
    if expires_at < op.now + MIN_LIFE:
        raise invalid(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", "expires_at"
        )
    return expires_at


def priced(op: Operation, params: Json, mode: str, coupon: Json | None) -> tuple[list[Json], Totals | None]:
    """Line items and totals."""
    if mode == "setup":
        return [], None
    currency = params["currency"].lower() if "currency" in params else None
    items = build_items(op, params.get("line_items", []), mode, currency)
    taxed = automatic_tax(op, params)["status"] == "complete"
    totals = add_up(items, lambda subtotal, unit: coupons.amount_off(op, coupon, subtotal, unit), taxed=taxed)
    require_enough(mode, totals, "line_items")
    return items, totals


def retrieve(op: Operation, _params: Json, identifier: str) -> Json:
    """``GET /v1/checkout/sessions/{id}``."""
    return fresh(op, identifier)


def fresh(op: Operation, identifier: str) -> Json:
    """The session; it is expired first if its time is over."""
    session = op.get("checkout.session", identifier)
    if session["status"] == "open" and session["expires_at"] <= op.now:
        close(op, session)
    return session


def close(op: Operation, session: Json) -> None:
    """Make an open session expired."""
    change(session, status="expired", url=None)
    op.put(session)
    op.emit("checkout.session.expired", session)


def list_sessions(op: Operation, params: Json) -> Json:
    """``GET /v1/checkout/sessions``."""
    if "customer" in params:
        op.get("customer", params["customer"], "customer")
    email = params.get("customer_details", {}).get("email")
    return list_objects(
        op.store,
        "checkout.session",
        "/v1/checkout/sessions",
        params,
        ("customer_details",),
        (lambda session: (session["customer_details"] or {}).get("email") == email) if email else None,
    )


def update(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/checkout/sessions/{id}``: metadata only."""
    session = fresh(op, identifier)
    if "metadata" in params:
        change(session, metadata=merge_metadata(session["metadata"], params["metadata"]))
        op.put(session)
    return session


def expire(op: Operation, _params: Json, identifier: str) -> Json:
    """``POST /v1/checkout/sessions/{id}/expire``."""
    session = fresh(op, identifier)
    if session["status"] != "open":
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of `{session['status']}`."
        )
    close(op, session)
    return session


def line_items(op: Operation, params: Json, identifier: str) -> Json:
    """``GET /v1/checkout/sessions/{id}/line_items``."""
    op.get("checkout.session", identifier)
    items = op.private(identifier).get("line_items", [])
    return page_of(items, "item", f"/v1/checkout/sessions/{identifier}/line_items", params)
