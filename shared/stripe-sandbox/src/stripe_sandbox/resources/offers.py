"""The amounts of a price: in its own currency, and in further ones (``currency_options``)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from stripe_sandbox.errors import invalid, missing
from stripe_sandbox.operation import Operation
from stripe_sandbox.store import Json, Store

MAX_PLACES = 12  # decimal places of unit_amount_decimal


def amounts(given: Json, prefix: str = "") -> Json:
    """``unit_amount`` (null where a piece doesn't cost whole minor units) and ``unit_amount_decimal``.

    ``prefix`` is the name of the parameter that contains them. Raises StripeError for none, both, or a negative one.
    """

    def named(name: str) -> str:
        return f"{prefix}[{name}]" if prefix else name

    if "unit_amount" in given and "unit_amount_decimal" in given:
        raise invalid(
            "You may only specify one of these parameters: unit_amount, unit_amount_decimal.", named("unit_amount")
        )
    name = "unit_amount" if "unit_amount" in given else "unit_amount_decimal"
    if name not in given:
        raise missing(named("unit_amount"))
    # A decimal parameter is a float that keeps the text as which it was sent.
    exact = Decimal(str(getattr(given[name], "written", given[name])))
    if exact < 0:
        raise invalid("Invalid non-negative integer", named(name), "parameter_invalid_integer")
    if exact != round(exact, MAX_PLACES):
        raise invalid(f"Invalid decimal: at most {MAX_PLACES} decimal places", named(name))
    whole = exact == exact.to_integral_value()
    return {"unit_amount": int(exact) if whole else None, "unit_amount_decimal": plain(exact)}


def plain(exact: Decimal) -> str:
    """A decimal without needless zeros."""
    text = f"{exact:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown_option(given: Json, param: str) -> Json:
    """One currency of ``currency_options`` as a price shows it."""
    return {
        "custom_unit_amount": None,
        "tax_behavior": given.get("tax_behavior", "unspecified"),
        **amounts(given, param),
    }


def checked_options(given: dict[str, Any]) -> Json:
    """The further currencies of a price's parameters."""
    return {currency: shown_option(option, f"currency_options[{currency}]") for currency, option in given.items()}


def keep_offers(op: Operation, price: Json, given: dict[str, Any]) -> None:
    """Store a price's amounts in further currencies; see ``checked_options``."""
    if given:
        known = op.private(price["id"])
        op.put_private(price["id"], {**known, "currency_options": {**known.get("currency_options", {}), **given}})


def currency_options(store: Store, price: Json) -> Json:
    """All currencies of a price, its own among them, as ``expand`` shows them."""
    own = {name: price[name] for name in ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")}
    further = (store.get("private", price["id"]) or {}).get("currency_options", {})
    return dict(sorted({price["currency"]: own, **further}.items()))


def offers(op: Operation, price: Json) -> dict[str, Decimal]:
    """A price's amount for one piece, in minor units, by currency; its own currency comes first."""
    shown = currency_options(op.store, price)
    asked = {currency: Decimal(option["unit_amount_decimal"]) for currency, option in shown.items()}
    return {price["currency"]: asked.pop(price["currency"]), **asked}


def cost(each: Decimal, quantity: int) -> int:
    """What a number of pieces costs, in whole minor units."""
    return int((each * quantity).to_integral_value(ROUND_HALF_UP))
