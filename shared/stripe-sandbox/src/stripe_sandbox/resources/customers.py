"""Customers."""

from __future__ import annotations

import random

from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import list_objects
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.shapes import as_shown
from stripe_sandbox.store import Json

TEXT_FIELDS = ("email", "name", "phone", "description", "business_name", "individual_name")
INVOICE_SETTINGS: Json = dict.fromkeys(("custom_fields", "default_payment_method", "footer", "rendering_options"))
ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")


def new_customer(op: Operation, params: Json) -> Json:
    """A customer as created by the given parameters."""
    check_email(params.get("email"))
    customer: Json = {
        "id": new_id("customer"),
        "object": "customer",
        "address": address_of(params.get("address")),
        "balance": params.get("balance", 0),
        "created": op.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": params.get("invoice_prefix")
        or "".join(random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=8)),
        "invoice_settings": invoice_settings(op, params.get("invoice_settings", {}), INVOICE_SETTINGS),
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "name": None,
        "next_invoice_sequence": params.get("next_invoice_sequence", 1),
        "phone": None,
        "preferred_locales": params.get("preferred_locales", []),
        "shipping": shipping_of(params.get("shipping")),
        "tax_exempt": params.get("tax_exempt") or "none",
        "test_clock": None,
    }
    customer.update({name: params[name] or None for name in TEXT_FIELDS if name in params})
    op.put(customer)
    op.emit("customer.created", customer)
    return customer


def create(op: Operation, params: Json) -> Json:
    """``POST /v1/customers``."""
    return new_customer(op, params)


def update(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/customers/{id}``."""
    customer = living(op, identifier)
    check_email(params.get("email"))
    changes: Json = {name: params[name] or None for name in TEXT_FIELDS if name in params}
    changes.update(
        {
            name: params[name]
            for name in ("balance", "preferred_locales", "invoice_prefix", "next_invoice_sequence")
            if name in params
        }
    )
    if "tax_exempt" in params:
        changes["tax_exempt"] = params["tax_exempt"] or "none"
    if "invoice_settings" in params:
        changes["invoice_settings"] = invoice_settings(op, params["invoice_settings"], customer["invoice_settings"])
    if "address" in params:
        changes["address"] = address_of(params["address"])
    if "shipping" in params:
        changes["shipping"] = shipping_of(params["shipping"])
    if "metadata" in params:
        changes["metadata"] = merge_metadata(customer["metadata"], params["metadata"])
    previous = change(customer, **changes)
    op.put(customer)
    if previous:
        op.emit("customer.updated", customer, previous)
    return customer


def retrieve(op: Operation, _params: Json, identifier: str) -> Json:
    """``GET /v1/customers/{id}``: a deleted customer is a stub, not a 404."""
    return as_shown(op.get("customer", identifier))


def list_customers(op: Operation, params: Json) -> Json:
    """``GET /v1/customers``: by e-mail, as it is written; deleted ones are left out."""
    if "test_clock" in params:
        op.get("test_clock", params["test_clock"], "test_clock")  # there are none
    return list_objects(op.store, "customer", "/v1/customers", params, also=lambda item: not item.get("deleted"))


def delete(op: Operation, _params: Json, identifier: str) -> Json:
    """``DELETE /v1/customers/{id}``."""
    customer = living(op, identifier)
    op.emit("customer.deleted", customer)
    return as_shown(op.put({"id": identifier, "object": "customer", "created": customer["created"], "deleted": True}))


def living(op: Operation, identifier: str, param: str | None = None) -> Json:
    """The customer. Raises StripeError if it doesn't exist or was deleted."""
    customer = op.get("customer", identifier, param)
    if customer.get("deleted"):
        raise StripeError(
            f"No such customer: '{identifier}'",
            status=400 if param else 404,
            code="resource_missing",
            param=param or "id",
        )
    return customer


def check_email(email: str | None, param: str = "email") -> None:
    """Refuse what Stripe refuses: an address without @ and a dot after it."""
    if email and ("@" not in email.strip("@") or any(letter.isspace() for letter in email)):
        raise invalid(f"Invalid email address: {email}", param, "email_invalid")


def invoice_settings(op: Operation, given: Json, current: Json) -> Json:
    """How a customer's invoices look; an empty value unsets."""
    if given.get("default_payment_method"):
        op.get("payment_method", given["default_payment_method"], "invoice_settings[default_payment_method]")
    settings = {**current, **{name: value or None for name, value in given.items()}}
    if settings["rendering_options"]:
        settings["rendering_options"] = {"amount_tax_display": None, "template": None, **settings["rendering_options"]}
    return settings


def shipping_of(given: Json | str | None) -> Json | None:
    """``shipping`` with all members of its address."""
    if not isinstance(given, dict):
        return None
    return {"phone": None, **given, "address": address_of(given.get("address"))}


def address_of(given: Json | str | None) -> Json | None:
    """A postal address with all its fields."""
    return {name: given.get(name) or None for name in ADDRESS_FIELDS} if isinstance(given, dict) else None
