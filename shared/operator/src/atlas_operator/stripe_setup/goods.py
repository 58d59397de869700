"""The product and its price.

The product has an id of our choosing, the price a lookup key: Stripe allows each once, so that neither is ever made
twice. A price's amount never changes at Stripe. Another amount is another price, which takes the lookup key over.
"""

from __future__ import annotations

from typing import Any

from atlas_operator.errors import CallFailed
from atlas_operator.stripe_setup.account import PRICES, PRODUCTS, Json, StripeRefused
from atlas_operator.stripe_setup.asked import DEFAULT_AMOUNT, DEFAULT_CURRENCY, Asked
from atlas_operator.stripe_setup.step import MARK, PRICE, PRODUCT, Maker, SetupStep, keep, seed_of

LOOKUP_KEY = "atlas_pro_lifetime"
PRODUCT_ID = "atlas_pro_lifetime"
PRODUCT_NAME = "Atlas Pro (lifetime)"
VARIABLE = "STRIPE_PRICE_PRO_LIFETIME"
TAKEN = "resource_already_exists"


def steps(maker: Maker, asked: Asked) -> list[SetupStep]:
    """What is to be done about product and price. Raises CallFailed for a price that can't be Pro's."""
    known = _price(maker, asked)
    wanted = _differs(known, asked)
    product = _product(maker, known)
    return [_product_step(maker, product), _price_step(maker, asked, known, product, wanted)]


def _price(maker: Maker, asked: Asked) -> Json | None:
    """The price that is Pro's: the one that is named, else the one with the lookup key."""
    named = None
    if asked.price_id:
        named = maker.account.read(f"/v1/prices/{asked.price_id}", PRICES)
        if named is None:
            raise CallFailed(
                f"{VARIABLE} names {asked.price_id}, which does not exist in {asked.mode} mode. Is it of the other"
                " mode, or of another account? Correct it, or unset it to have a price made."
            )
    if named is None or _differs(named, asked):
        found = list(maker.account.every("/v1/prices", PRICES, lookup_keys=[LOOKUP_KEY]))
        named = next((price for price in found if not _differs(price, asked)), named or next(iter(found), None))
    if named is not None:
        _check(named, asked)
    return named


def _check(price: Json, asked: Asked) -> None:
    name = price["id"]
    if price["livemode"] != asked.live:
        raise CallFailed(f"The price {name} is of the other mode; the key is of {asked.mode} mode.")
    if price["type"] != "one_time":
        raise CallFailed(
            f"The price {name} is {price['type']}, and Pro is bought once: name a one-time price in {VARIABLE}, or take"
            f" the lookup key {LOOKUP_KEY} from it."
        )
    if price["unit_amount"] is None:
        raise CallFailed(f"The price {name} has no fixed amount: name another one in {VARIABLE}.")


def _differs(price: Json | None, asked: Asked) -> bool:
    """Whether the operator asks for another amount or currency than this."""
    if price is None:
        return False
    return asked.amount not in (None, price["unit_amount"]) or asked.currency not in (None, price["currency"])


def _product(maker: Maker, price: Json | None) -> Json | None:
    if price is None:
        return maker.account.read(f"/v1/products/{PRODUCT_ID}", PRODUCTS)
    found = maker.account.read(f"/v1/products/{price['product']}", PRODUCTS)
    if found is None:
        raise CallFailed(f"The product of the price {price['id']} is deleted. Unset {VARIABLE} to have both made.")
    return found


def _product_step(maker: Maker, product: Json | None) -> SetupStep:
    if product is None:
        return SetupStep(PRODUCT, "create", f"{PRODUCT_NAME}, id {PRODUCT_ID}", do=lambda: _make_product(maker))
    if product["active"]:
        return keep(PRODUCT, product["id"])

    def activate() -> None:
        maker.account.change(f"/v1/products/{product['id']}", PRODUCTS, active=True)

    return SetupStep(PRODUCT, "change", "activate: it is archived, and nothing of it sells", product["id"], activate)


def _make_product(maker: Maker) -> None:
    parameters = {"id": PRODUCT_ID, "name": PRODUCT_NAME, "metadata": dict(MARK)}
    key = maker.next_key(PRODUCT, seed_of(PRODUCT, parameters))
    try:
        maker.make(PRODUCT, "/v1/products", PRODUCTS, parameters, key)
    except StripeRefused as refused:
        if refused.code != TAKEN or maker.tries[PRODUCT] > 1:
            raise  # else another run has made it meanwhile: the next look finds it


def _price_step(maker: Maker, asked: Asked, price: Json | None, product: Json | None, other: bool) -> SetupStep:
    amount = asked.amount or (price["unit_amount"] if price else DEFAULT_AMOUNT)
    currency = asked.currency or (price["currency"] if price else DEFAULT_CURRENCY)

    def make() -> None:
        _make_price(maker, (product or {}).get("id", PRODUCT_ID), amount, currency, replaces=price)

    if price is None:
        return SetupStep(PRICE, "create", f"{amount} {currency} (minor units), once, lookup key {LOOKUP_KEY}", do=make)
    told = f"{price['unit_amount']} {price['currency']} (minor units)"
    if other:
        what = f"{told} to {amount} {currency}: a new price takes the lookup key over, {price['id']} stays as it is"
        return SetupStep(PRICE, "change", what, do=make)
    if price["active"]:
        return keep(PRICE, price["id"], told)

    def activate() -> None:
        maker.account.change(f"/v1/prices/{price['id']}", PRICES, active=True)

    return SetupStep(PRICE, "change", "activate: it is archived, and nothing sells by it", price["id"], activate)


def _make_price(maker: Maker, product: str, amount: int, currency: str, *, replaces: Json | None) -> None:
    parameters: dict[str, Any] = {
        "product": product, "unit_amount": amount, "currency": currency, "lookup_key": LOOKUP_KEY,
        "metadata": dict(MARK), **({"transfer_lookup_key": True} if replaces else {}),
    }  # fmt: skip
    key = maker.next_key(PRICE, seed_of(PRICE, parameters, replaces and replaces["id"]))
    try:
        maker.make(PRICE, "/v1/prices", PRICES, parameters, key)
    except StripeRefused:
        taken = any(maker.account.every("/v1/prices", PRICES, lookup_keys=[LOOKUP_KEY]))
        if replaces or not taken:
            raise  # else another run has made it meanwhile: the next look finds it
