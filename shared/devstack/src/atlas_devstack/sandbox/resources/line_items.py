"""What a checkout session or a payment link sells, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from atlas_devstack.sandbox.errors import invalid, missing
from atlas_devstack.sandbox.ids import new_id
from atlas_devstack.sandbox.operation import Operation
from atlas_devstack.sandbox.resources.catalog import create_product, new_price
from atlas_devstack.sandbox.resources.offers import cost, offers
from atlas_devstack.sandbox.store import Json


@dataclass(frozen=True, slots=True)
class Totals:
    """Minor units of one currency."""

    currency: str
    subtotal: int
    discount: int

    @property
    def total(self) -> int:
        return self.subtotal - self.discount


def build_items(op: Operation, given: list[Json], mode: str) -> list[Json]:
    """The ``item`` objects for the given ``line_items`` parameter."""
    if not given:
        raise missing("line_items")
    items = [build_item(op, entry, f"line_items[{place}]", mode) for place, entry in enumerate(given)]
    if len({item["currency"] for item in items}) > 1:
        raise invalid("All prices on a Checkout Session must have the same currency.", "line_items")
    return items


def build_item(op: Operation, entry: Json, param: str, mode: str) -> Json:
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
    price = (
        op.get("price", entry["price"], f"{param}[price]")
        if "price" in entry
        else price_from_data(op, entry["price_data"], param)
    )
    if not price["active"] and "price" in entry:
        raise invalid("The price specified is inactive. This field only accepts active prices.", f"{param}[price]")
    if mode == "payment" and price["type"] == "recurring":
        raise invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode "
            "or use only one-time prices."
        )
    if mode == "subscription" and price["type"] == "one_time":
        raise invalid("You must provide at least one recurring price in `subscription` mode when using prices.")
    product = op.get("product", price["product"])
    amount = cost(offers(op, price)[price["currency"]], quantity)
    return {
        "id": new_id("item"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product["name"],
        "metadata": entry.get("metadata", {}),
        "price": dict(price),
        "quantity": quantity,
    }


def price_from_data(op: Operation, data: Json, param: str) -> Json:
    """An inline price: inactive, so that nothing else uses it."""
    if "product" in data:
        product = op.get("product", data["product"], f"{param}[price_data][product]")["id"]
    elif "product_data" in data:
        product = create_product(op, {**data["product_data"], "active": False})["id"]
    else:
        raise missing(f"{param}[price_data][product]")
    return new_price(op, {**data, "active": False}, product)


def apply_discount(items: list[Json], coupon: Json | None) -> Totals:
    """Spread a coupon over the items (the last one takes the rounding) and sum up."""
    subtotal = sum(item["amount_subtotal"] for item in items)
    discount = discount_of(coupon, subtotal)
    left = discount
    for item in items:
        share = left if item is items[-1] else discount * item["amount_subtotal"] // (subtotal or 1)
        left -= share
        item["amount_discount"] = share
        item["amount_total"] = item["amount_subtotal"] - share
    return Totals(items[0]["currency"], subtotal, discount)


def discount_of(coupon: Json | None, subtotal: int) -> int:
    """How much a coupon takes off, in minor units."""
    if coupon is None:
        return 0
    if coupon["percent_off"] is not None:
        return round(subtotal * float(coupon["percent_off"]) / 100)
    return min(subtotal, int(coupon["amount_off"]))


def find_coupon(op: Operation, discounts: list[dict[str, Any]], currency: str) -> tuple[Json | None, Json | None]:
    """The coupon, and the promotion code that led to it, of a ``discounts`` parameter."""
    if not discounts:
        return None, None
    if len(discounts) > 1:
        raise invalid("You can only apply one discount to a Checkout Session.", "discounts")
    entry, code = discounts[0], None
    if "promotion_code" in entry:
        code = op.get("promotion_code", entry["promotion_code"], "discounts[0][promotion_code]")
        coupon = op.get("coupon", code["promotion"]["coupon"], "discounts[0][promotion_code]")
    elif "coupon" in entry:
        coupon = op.get("coupon", entry["coupon"], "discounts[0][coupon]")
    else:
        raise missing("discounts[0][coupon]")
    spent = coupon["max_redemptions"] is not None and coupon["times_redeemed"] >= coupon["max_redemptions"]
    late = coupon["redeem_by"] is not None and coupon["redeem_by"] <= op.now
    if spent or late or (code is not None and not code["active"]):
        raise invalid(
            f"Coupon {coupon['id']} is expired or was used up and cannot be applied.", "discounts", "coupon_expired"
        )
    if coupon["currency"] not in (None, currency):
        raise invalid("The coupon's currency differs from the session's.", "discounts")
    return coupon, code
