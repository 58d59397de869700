"""What a session collects from its buyer: an address for the tax, tax ids, and whether to save them on the customer."""

from __future__ import annotations

from typing import Any

from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.operation import Operation
from stripe_sandbox.resources.customers import update as update_customer
from stripe_sandbox.store import Json


def check_collection(op: Operation, params: Json) -> None:
    """Refuse what Stripe refuses for a customer that exists already."""
    given = params.get("customer_update", {})
    if "customer" not in params:
        if given:
            raise invalid("`customer_update` can only be used with `customer`.", "customer_update")
        return
    if is_on(params, "automatic_tax") and "auto" not in (given.get("address"), given.get("shipping")):
        customer = op.get("customer", params["customer"], "customer")
        if not has_country(customer):
            raise StripeError(
                "Automatic tax calculation in Checkout requires a valid address on the Customer. Add a valid address "
                "to the Customer or set `customer_update[address]` to 'auto' to save the billing address entered in "
                "Checkout to the Customer.",
                code="customer_tax_location_invalid",
                param="automatic_tax",
            )
    if is_on(params, "tax_id_collection") and given.get("name") != "auto":
        raise invalid(
            "Tax ID collection requires updating business name on the customer. To enable tax ID collection for an "
            "existing customer, please set `customer_update[name]` to `auto`.",
            "customer_update[name]",
        )


def is_on(params: Json, name: str) -> bool:
    """Whether an option with ``enabled`` is on."""
    return bool(params.get(name, {}).get("enabled"))


def has_country(customer: Json) -> bool:
    """Whether the customer has a country, for which tax can be computed."""
    return bool((customer.get("address") or {}).get("country"))


def automatic_tax(op: Operation, params: Json) -> Json:
    """The session's ``automatic_tax``: complete at once for a customer whose address is known."""
    if not is_on(params, "automatic_tax"):
        return {"enabled": False, "liability": None, "provider": None, "status": None}
    customer = op.store.get("customer", params.get("customer", "")) or {}
    status = "complete" if has_country(customer) else "requires_location_inputs"
    return {"enabled": True, "liability": {"type": "self"}, "provider": "stripe", "status": status}


def tax_id_collection(params: Json) -> Json | None:
    """The session's ``tax_id_collection``; None where it wasn't asked for."""
    given = params.get("tax_id_collection")
    return {"enabled": given["enabled"], "required": given.get("required", "never")} if given else None


def keep_details(op: Operation, customer: Json, leave: dict[str, Any], email: str | None, address: Json) -> None:
    """Save on a known customer what the buyer entered.

    The e-mail address is saved if there was none, the address if ``leave`` (``customer_update``) allows it and the
    customer has no country.
    """
    changes: Json = {}
    if email and not customer["email"]:
        changes["email"] = email
    if leave.get("address") == "auto" and not has_country(customer):
        changes["address"] = {name: value for name, value in address.items() if value}
    if changes:
        update_customer(op, changes, customer["id"])
