"""Products and prices."""

from __future__ import annotations

from stripe_sandbox.errors import StripeError, invalid, missing
from stripe_sandbox.ids import new_id
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.resources.offers import amounts, checked_options, currency_options, keep_offers
from stripe_sandbox.store import Json

PRODUCT_NAME = "Atlas Pro (lifetime)"
PRICE_AMOUNT, PRICE_CURRENCY = 4900, "usd"  # minor units
SUPPORTED_CURRENCIES = frozenset(
    ["usd", "eur", "gbp", "chf", "jpy", "cad", "aud", "sek", "nok", "dkk"],
).union(["pln", "czk", "huf", "inr", "brl", "mxn", "nzd", "sgd", "hkd"])

# What updates can set
PRODUCT_FIELDS = (
    "active",
    "default_price",
    "description",
    "images",
    "marketing_features",
    "name",
    "package_dimensions",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "tax_details",
    "unit_label",
    "url",
)
PRICE_FIELDS = ("active", "lookup_key", "nickname", "tax_behavior")
RECURRING: Json = {"interval_count": 1, "meter": None, "trial_period_days": None, "usage_type": "licensed"}


def seed(op: Operation) -> None:
    """Create the configured price and its product, unless they exist."""
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
        "package_dimensions": params.get("package_dimensions") or None,
        "shippable": params.get("shippable"),
        "statement_descriptor": params.get("statement_descriptor"),
        "tax_code": params.get("tax_code"),
        "tax_details": tax_details(params.get("tax_details")),
        "type": params.get("type", "service"),
        "unit_label": params.get("unit_label"),
        "updated": op.now,
        "url": params.get("url"),
    }
    op.put(product)
    op.emit("product.created", product)
    if "default_price_data" in params:
        price = new_price(op, params["default_price_data"], identifier)
        previous = change(product, default_price=price["id"])
        op.put(product)
        op.emit("product.updated", product, previous)
    return product


def tax_details(given: Json | str | None) -> Json | None:
    """How a product is taxed."""
    if not isinstance(given, dict):
        return None
    return {name: given.get(name) or None for name in ("performance_location", "tax_code")}


def update_product(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/products/{id}``."""
    product = op.get("product", identifier)
    given = dict(params)
    if "default_price" in given:
        price = op.get("price", given["default_price"], "default_price")
        if price["product"] != identifier:
            raise invalid(f"The price {price['id']} does not belong to this product.", "default_price")
    if "tax_details" in given:
        given["tax_details"] = tax_details(given["tax_details"])
    return apply_update(op, product, given, PRODUCT_FIELDS, "product.updated")


def create_price(op: Operation, params: Json) -> Json:
    """``POST /v1/prices``."""
    if "product" in params and "product_data" in params:
        raise invalid("You may only specify one of these parameters: product, product_data.", "product")
    amounts(params)  # checked here, so that no product is made for a price that is refused
    claim_lookup_key(op, params, None)
    if "product" in params:
        product = op.get("product", params["product"], "product")["id"]
    elif "product_data" in params:
        product = create_product(op, params["product_data"])["id"]
    else:
        raise missing("product")
    return new_price(op, params, product)


def new_price(op: Operation, params: Json, product: str, identifier: str | None = None) -> Json:
    """A price of the given product."""
    asked = amounts(params)
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
        "lookup_key": params.get("lookup_key") or None,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "nickname": params.get("nickname"),
        "product": product,
        "recurring": {**RECURRING, **recurring} if recurring else None,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        **asked,
    }
    options = further_currencies(params.get("currency_options") or {}, price["currency"])
    op.put(price)
    keep_offers(op, price, options)
    op.emit("price.created", price)
    return price


def further_currencies(given: Json, own: str) -> Json:
    """The checked ``currency_options`` of a price, without its own currency."""
    for currency in given:
        currency_of(currency, "currency_options")
    return {currency.lower(): option for currency, option in checked_options(given).items() if currency.lower() != own}


def claim_lookup_key(op: Operation, params: Json, owner: str | None) -> None:
    """Refuse a lookup key that another price has, active or not, unless it is to be transferred."""
    key = params.get("lookup_key")
    if not key:
        return
    for price in op.store.of("price").oldest_first():
        if price["lookup_key"] == key and price["id"] != owner:
            if not params.get("transfer_lookup_key"):
                raise invalid(f"A price (`{price['id']}`) already uses that lookup key.", "lookup_key")
            apply_update(op, price, {"lookup_key": ""}, ("lookup_key",), "price.updated")


def update_price(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/prices/{id}``."""
    price = op.get("price", identifier)
    if params.get("tax_behavior", price["tax_behavior"]) != price["tax_behavior"] != "unspecified":
        raise invalid("You can only change `tax_behavior` while it is `unspecified`.", "tax_behavior")
    given = params.get("currency_options")
    before = currency_options(op.store, price)
    options = further_currencies(given or {}, price["currency"])
    claim_lookup_key(op, params, identifier)
    if given == "":
        op.put_private(identifier, {**op.private(identifier), "currency_options": {}})
    keep_offers(op, price, options)
    after = currency_options(op.store, price)
    told = {"currency_options": before} if before != after else {}
    return apply_update(op, price, params, PRICE_FIELDS, "price.updated", told)


def currency_of(value: str, param: str) -> str:
    """A supported currency in lower case."""
    if value.lower() not in SUPPORTED_CURRENCIES:
        raise invalid(
            f"Invalid currency: {value}. Supported currencies are: {', '.join(sorted(SUPPORTED_CURRENCIES))}",
            param,
        )
    return value.lower()


def apply_update(
    op: Operation, item: Json, params: Json, names: tuple[str, ...], event: str, also: Json | None = None
) -> Json:
    """Set the given fields and metadata (an empty value unsets one), with an event that has the previous values.

    ``also``: previous values of members that the object doesn't show.
    """
    changes = {name: None if params[name] == "" else params[name] for name in names if name in params}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(item["metadata"], params["metadata"])
    previous = change(item, **changes)
    if "updated" in item and previous:
        previous.update(change(item, updated=op.now))
    op.put(item)
    if previous or also:
        op.emit(event, item, {**previous, **(also or {})})
    return item
