"""Coupons, and the promotion codes by which buyers use them."""

from __future__ import annotations

from typing import Any

from stripe_sandbox.errors import StripeError, invalid, missing
from stripe_sandbox.ids import new_id, random_text
from stripe_sandbox.listing import list_objects
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.resources.catalog import apply_update, currency_of
from stripe_sandbox.resources.customers import living
from stripe_sandbox.store import Json


def create(op: Operation, params: Json) -> Json:
    """``POST /v1/coupons``: a percentage or an amount off."""
    percent, amount = params.get("percent_off"), params.get("amount_off")
    if (percent is None) == (amount is None):
        raise invalid("You must pass either percent_off or amount_off.", "percent_off", "parameter_missing")
    if percent is not None and not 0 < percent <= 100:
        raise invalid("Invalid percent_off: must be greater than 0 and at most 100.", "percent_off")
    if amount is not None and "currency" not in params:
        raise missing("currency")
    identifier = params.get("id") or random_text(8)
    if op.store.get("coupon", identifier) is not None:
        raise StripeError("Coupon already exists.", code="resource_already_exists", param="id")
    coupon: Json = {
        "id": identifier,
        "object": "coupon",
        "amount_off": amount,
        "created": op.now,
        "currency": currency_of(params["currency"], "currency") if amount is not None else None,
        "duration": params.get("duration", "once"),
        "duration_in_months": params.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "name": params.get("name"),
        "percent_off": percent,
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
    }
    keep_currencies(op, identifier, params)
    op.put(coupon)
    op.emit("coupon.created", coupon)
    return coupon


def keep_currencies(op: Operation, identifier: str, params: Json) -> None:
    """Store the amount off in further currencies."""
    if params.get("currency_options"):
        known = op.private(identifier).get("amounts_off", {})
        given = {currency: option["amount_off"] for currency, option in params["currency_options"].items()}
        op.put_private(identifier, {"amounts_off": {**known, **given}})


def update(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/coupons/{id}``: name, metadata and further currencies. The discount itself never changes."""
    coupon = op.get("coupon", identifier)
    keep_currencies(op, identifier, params)
    return apply_update(op, coupon, params, ("name",), "coupon.updated")


def delete(op: Operation, _params: Json, identifier: str) -> Json:
    """``DELETE /v1/coupons/{id}``: it can't be used any more; discounts that were given stay."""
    coupon = op.get("coupon", identifier)
    op.emit("coupon.deleted", coupon)
    op.store.remove("coupon", identifier)
    for code in list(op.store.of("promotion_code").oldest_first()):
        if code["promotion"]["coupon"] == identifier and code["active"]:
            change(code, active=False)
            op.put(code)
    return {"id": identifier, "object": "coupon", "deleted": True}


def retrieve(op: Operation, _params: Json, identifier: str) -> Json:
    """``GET /v1/coupons/{id}``."""
    return shown(op, op.get("coupon", identifier))


def list_coupons(op: Operation, params: Json) -> Json:
    """``GET /v1/coupons``."""
    page = list_objects(op.store, "coupon", "/v1/coupons", params)
    return {**page, "data": [shown(op, coupon) for coupon in page["data"]]}


def shown(op: Operation, coupon: Json) -> Json:
    """The coupon with its present validity."""
    return {**coupon, "valid": is_usable(op, coupon)}


def is_usable(op: Operation, item: Json) -> bool:
    """Whether a coupon or promotion code is active, not used up, and not expired."""
    spent = item["max_redemptions"] is not None and item["times_redeemed"] >= item["max_redemptions"]
    ends = item["redeem_by"] if item["object"] == "coupon" else item["expires_at"]
    return not spent and (ends is None or ends > op.now) and bool(item.get("active", True))


def create_code(op: Operation, params: Json) -> Json:
    """``POST /v1/promotion_codes``: a word that stands for a coupon."""
    coupon = op.get("coupon", params["promotion"].get("coupon", ""), "promotion[coupon]")
    if "customer" in params:
        living(op, params["customer"], "customer")
    word = params.get("code") or random_text(8).upper()
    active = params.get("active", True)
    if active and find_code(op, word) is not None:
        raise StripeError(f"An active promotion code with `code: {word}` already exists.", param="code")
    restrictions = {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None}
    code: Json = {
        "id": new_id("promotion_code"),
        "object": "promotion_code",
        "active": active,
        "code": word,
        "created": op.now,
        "customer": params.get("customer"),
        "customer_account": None,
        "expires_at": params.get("expires_at"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": {
            name: params.get("restrictions", {}).get(name, default) for name, default in restrictions.items()
        },
        "times_redeemed": 0,
    }
    op.put(code)
    op.emit("promotion_code.created", code)
    return code


def update_code(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/promotion_codes/{id}``: switch it on or off."""
    code = op.get("promotion_code", identifier)
    other = find_code(op, code["code"])
    if params.get("active") and other is not None and other["id"] != identifier:
        raise StripeError(f"An active promotion code with `code: {code['code']}` already exists.", param="active")
    return apply_update(op, code, params, ("active",), "promotion_code.updated")


def list_codes(op: Operation, params: Json) -> Json:
    """``GET /v1/promotion_codes``: by coupon, and by the word whatever its case."""
    word, coupon = params.get("code"), params.get("coupon")

    def fits(code: Json) -> bool:
        same_word = word is None or code["code"].lower() == word.lower()
        return same_word and (coupon is None or code["promotion"]["coupon"] == coupon)

    return list_objects(op.store, "promotion_code", "/v1/promotion_codes", params, ("code", "coupon"), fits)


def find_code(op: Operation, word: str) -> Json | None:
    """The active promotion code of this word; its case doesn't matter."""
    codes = op.store.of("promotion_code").newest_first()
    return next((code for code in codes if code["active"] and code["code"].lower() == word.lower()), None)


def found(op: Operation, discounts: list[dict[str, Any]]) -> tuple[Json | None, Json | None]:
    """The coupon, and the promotion code that led to it, of a ``discounts`` parameter."""
    if not discounts:
        return None, None
    if len(discounts) > 1:
        raise invalid("You can only apply one discount to a Checkout Session.", "discounts")
    entry, code = discounts[0], None
    if entry.get("promotion_code"):
        code = op.get("promotion_code", entry["promotion_code"], "discounts[0][promotion_code]")
        coupon = op.get("coupon", code["promotion"]["coupon"], "discounts[0][promotion_code]")
    elif entry.get("coupon"):
        coupon = op.get("coupon", entry["coupon"], "discounts[0][coupon]")
    else:
        raise missing("discounts[0][coupon]")
    return coupon, code


def require_usable(op: Operation, coupon: Json | None, code: Json | None) -> None:
    """Refuse a discount that was used up, has expired or was switched off."""
    if coupon is not None and not all(is_usable(op, item) for item in (coupon, code) if item is not None):
        raise invalid(
            f"Coupon {coupon['id']} is expired or was used up and cannot be applied.", "discounts", "coupon_expired"
        )


def amount_off(op: Operation, coupon: Json | None, subtotal: int, currency: str) -> int:
    """A coupon's discount, in minor units. Raises StripeError if the coupon isn't for this currency."""
    if coupon is None:
        return 0
    if coupon["percent_off"] is not None:
        return round(subtotal * float(coupon["percent_off"]) / 100)
    amounts = {**op.private(coupon["id"]).get("amounts_off", {}), coupon["currency"]: coupon["amount_off"]}
    if currency not in amounts:
        raise invalid("The coupon's currency differs from the session's.", "discounts")
    return min(subtotal, int(amounts[currency]))


def redeem(op: Operation, discounts: list[Json]) -> None:
    """Count a completed session's discounts as used."""
    for entry in discounts:
        for kind in ("coupon", "promotion_code"):
            item = op.store.get(kind, entry.get(kind) or "")
            if item is not None:
                change(item, times_redeemed=item["times_redeemed"] + 1)
                if kind == "coupon":
                    change(item, valid=is_usable(op, item))
                op.put(item)
