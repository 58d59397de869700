"""What a checkout session or a payment link sells."""

from __future__ import annotations

from atlas_devstack.sandbox.errors import invalid, missing
from atlas_devstack.sandbox.ids import new_id
from atlas_devstack.sandbox.operation import Operation
from atlas_devstack.sandbox.resources.amounts import amount_in
from atlas_devstack.sandbox.resources.catalog import create_product, new_price
from atlas_devstack.sandbox.resources.offers import cost
from atlas_devstack.sandbox.store import Json


def build_items(op: Operation, given: list[Json], mode: str, currency: str | None = None) -> list[Json]:
    """The ``item`` objects for the given ``line_items`` parameter, in ``currency`` where the session names one."""
    if not given:
        raise missing("line_items")
    items = [build_item(op, entry, f"line_items[{place}]", mode, currency) for place, entry in enumerate(given)]
    if len({item["currency"] for item in items}) > 1:
        raise invalid("All prices on a Checkout Session must have the same currency.", "line_items")
    return items


def build_item(op: Operation, entry: Json, param: str, mode: str, currency: str | None) -> Json:
    """One position, of an existing price or of one made for it."""
    if ("price" in entry) == ("price_data" in entry):
        raise invalid("You must specify either `price` or `price_data` for each line item.", param)
    quantity = entry.get("quantity")
    if quantity is None:
        raise missing(f"{param}[quantity]")
    if quantity < 1:
        raise invalid(
            "This value must be greater than or equal to 1.", f"{param}[quantity]", "parameter_invalid_integer"
        )
    if "price" in entry:
        price = sellable(op, op.get("price", entry["price"], f"{param}[price]"), f"{param}[price]")
    else:
        price = price_from_data(op, entry["price_data"], param)
    if mode == "payment" and price["type"] == "recurring":
        raise invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode "
            "or use only one-time prices."
        )
    if mode == "subscription" and price["type"] == "one_time":
        raise invalid("You must provide at least one recurring price in `subscription` mode when using prices.")
    product = op.get("product", price["product"])
    unit, unit_amount = amount_in(op, price, currency, f"{param}[price]")
    amount = cost(unit_amount, quantity)
    return {
        "id": new_id("item"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": unit,
        "description": product["name"],
        "metadata": entry.get("metadata", {}),
        "price": dict(price),
        "quantity": quantity,
    }


def sellable(op: Operation, price: Json, param: str) -> Json:
    """The price, unless it or its product was switched off."""
    if not price["active"]:
        raise invalid("The price specified is inactive. This field only accepts active prices.", param)
    if not op.get("product", price["product"])["active"]:
        raise invalid(
            f"Price `{price['id']}` is not available to be purchased because its product is not active.", param
        )
    return price


def price_from_data(op: Operation, data: Json, param: str) -> Json:
    """An inline price: inactive, so that nothing else uses it."""
    if "product" in data:
        product = op.get("product", data["product"], f"{param}[price_data][product]")["id"]
    elif "product_data" in data:
        product = create_product(op, {**data["product_data"], "active": False})["id"]
    else:
        raise missing(f"{param}[price_data][product]")
    return new_price(op, {**data, "active": False}, product)
