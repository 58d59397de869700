"""Products and prices."""

from __future__ import annotations

from atlas_devstack.sandbox.errors import StripeError, invalid, missing
from atlas_devstack.sandbox.ids import new_id
from atlas_devstack.sandbox.operation import Operation, change, merge_metadata
from atlas_devstack.sandbox.resources.offers import keep_offers
from atlas_devstack.sandbox.store import Json

PRODUCT_NAME = "Atlas Pro (lifetime)"
PRICE_AMOUNT, PRICE_CURRENCY = 4900, "usd"  # minor units
SUPPORTED_CURRENCIES = frozenset(
    [
        "usd",
        "eur",
        "gbp",
        "chf",
        "jpy",
        "cad",
        "aud",
        "sek",
        "nok",
        "dkk",
        "pln",
        "czk",
        "huf",
        "inr",
        "brl",
        "mxn",
        "nzd",
        "sgd",
        "hkd",
    ]
)


def seed(op: Operation) -> None:
    """The configured price and its product, once."""
    if op.store.get("price", op.settings.price_id) is None:
        product = create_product(op, {"name": PRODUCT_NAME, "metadata": {"productKey": "pro_lifetime_v1"}})
        price = new_price(
            op, {"unit_amount": PRICE_AMOUNT, "currency": PRICE_CURRENCY}, product["id"], op.settings.price_id
        )
        product["default_price"] = price["id"]
        op.put(product)


def create_product(op: Operation, params: Json) -> Json:
    """``POST /v1/products``."""
    identifier = params.get("id") or new_id("product")
    if op.store.get("product", identifier) is not None:
        raise StripeError("Product already exists.", code="resource_already_exists", param="id")
    product: Json = {
        "id": identifier,
        "object": "product",
        "active": params.get("active", True),
        "created": op.now,
        "default_price": None,
        "description": params.get("description"),
        "images": params.get("images", []),
        "livemode": False,
        "marketing_features": params.get("marketing_features", []),
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "name": params["name"],
        "package_dimensions": None,
        "shippable": params.get("shippable"),
        "statement_descriptor": params.get("statement_descriptor"),
        "tax_code": params.get("tax_code"),
        "type": "service",
        "unit_label": params.get("unit_label"),
        "updated": op.now,
        "url": params.get("url"),
    }
    op.put(product)
    op.emit("product.created", product)
    if "default_price_data" in params:
        data = {key: value for key, value in params["default_price_data"].items() if key != "metadata"}
        product["default_price"] = new_price(op, data, identifier)["id"]
        op.put(product)
    return product


def update_product(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/products/{id}``."""
    names = ("active", "name", "description", "images", "url", "default_price", "unit_label", "statement_descriptor")
    return apply_update(op, op.get("product", identifier), params, names, "product.updated")


def create_price(op: Operation, params: Json) -> Json:
    """``POST /v1/prices``."""
    if "product" in params:
        product = op.get("product", params["product"], "product")["id"]
    elif "product_data" in params:
        product = create_product(
            op, {key: value for key, value in params["product_data"].items() if key != "tax_code"}
        )["id"]
    else:
        raise missing("product")
    return new_price(op, params, product)


def new_price(op: Operation, params: Json, product: str, identifier: str | None = None) -> Json:
    """A price of the given product."""
    amount = params.get("unit_amount")
    if amount is None and "unit_amount_decimal" in params:
        amount = round(params["unit_amount_decimal"])
    if amount is None:
        raise missing("unit_amount")
    if amount < 0:
        raise invalid("Invalid non-negative integer", "unit_amount", "parameter_invalid_integer")
    recurring = params.get("recurring")
    price: Json = {
        "id": identifier or new_id("price"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": "per_unit",
        "created": op.now,
        "currency": currency_of(params["currency"], "currency"),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": params.get("lookup_key"),
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "nickname": params.get("nickname"),
        "product": product,
        "recurring": {"interval_count": 1, "meter": None, "usage_type": "licensed", **recurring} if recurring else None,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    op.put(price)
    keep_offers(op, price, params.get("currency_options") or {})
    op.emit("price.created", price)
    return price


def update_price(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/prices/{id}``."""
    price = op.get("price", identifier)
    keep_offers(op, price, params.get("currency_options") or {})
    return apply_update(op, price, params, ("active", "nickname", "lookup_key", "tax_behavior"), "price.updated")


def currency_of(value: str, param: str) -> str:
    """A supported currency in lower case."""
    if value.lower() not in SUPPORTED_CURRENCIES:
        raise invalid(
            f"Invalid currency: {value}. Supported currencies are: {', '.join(sorted(SUPPORTED_CURRENCIES))}",
            param,
        )
    return value.lower()


def apply_update(op: Operation, item: Json, params: Json, names: tuple[str, ...], event: str) -> Json:
    """Set the given fields and metadata; tell what they were before."""
    changes = {name: params[name] for name in names if name in params}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(item["metadata"], params["metadata"])
    previous = change(item, **changes)
    if "updated" in item and previous:
        previous.update(change(item, updated=op.now))
    op.put(item)
    if previous:
        op.emit(event, item, previous)
    return item
