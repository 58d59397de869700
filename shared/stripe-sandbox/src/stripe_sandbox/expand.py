"""``expand[]``: replaces ids by the objects that they name, and adds sub-lists that are only shown on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stripe_sandbox.errors import StripeError
from stripe_sandbox.ids import object_of
from stripe_sandbox.listing import embedded_list
from stripe_sandbox.resources.offers import currency_options
from stripe_sandbox.shapes import as_shown
from stripe_sandbox.store import Json, Store

MAX_DEPTH = 4  # Stripe's own limit


def expanded(store: Store, answer: Json, paths: list[str]) -> Json:
    """A copy of the answer with every path expanded. Raises StripeError for a path that can't be expanded."""
    for path in paths:
        parts = path.split(".")
        if len(parts) - (parts[0] == "data") > MAX_DEPTH:
            raise StripeError(f"You cannot expand more than {MAX_DEPTH} levels of a property.", param="expand")
        answer = expand_in(store, answer, parts, path)
    return answer


def expand_in(store: Store, item: Json, parts: list[str], path: str) -> Json:
    """Follow one path into one object."""
    name, rest = parts[0], parts[1:]
    if name not in item and (item.get("deleted") or (item.get("object", ""), name) in MAY_LACK):
        return item
    return {**item, name: expand_value(store, current(store, item, name, path), rest, path, KIND_OF_FIELD.get(name))}


def current(store: Store, item: Json, name: str, path: str) -> Any:
    """The field's value, or the list that the field stands for."""
    includable = INCLUDABLE.get((item.get("object", ""), name))
    if includable is not None and not isinstance(item.get(name), dict):
        return includable(store, item)
    if name not in item:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    return item[name]


def expand_value(store: Store, value: Any, rest: list[str], path: str, kind: str | None = None) -> Any:
    """Replace an id by its object, and follow ``rest`` from there. ``kind``: for an id that doesn't show it."""
    if isinstance(value, list):
        return [expand_value(store, child, rest, path, kind) for child in value]
    if isinstance(value, str):
        kind = kind or object_of(value)
        found = store.get(kind, value) if kind else None
        if found is None:
            raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
        value = as_shown(found)
    if isinstance(value, dict) and rest:
        return expand_in(store, value, rest, path)
    return value


def session_items(store: Store, session: Json) -> Json:
    """A checkout session's line items."""
    items = (store.get("private", session["id"]) or {}).get("line_items", [])
    return embedded_list(items, f"/v1/checkout/sessions/{session['id']}/line_items")


def link_items(store: Store, link: Json) -> Json:
    """A payment link's line items."""
    items = (store.get("private", link["id"]) or {}).get("line_items", [])
    return embedded_list(items, f"/v1/payment_links/{link['id']}/line_items")


def charge_refunds(store: Store, charge: Json) -> Json:
    """A charge's refunds, newest first."""
    return embedded_list(store.of("refund").having("charge", charge["id"]), f"/v1/charges/{charge['id']}/refunds")


def invoice_payments(store: Store, invoice: Json) -> Json:
    """How an invoice was paid."""
    paid = store.of("invoice_payment").having("invoice", invoice["id"])
    return embedded_list(paid, f"/v1/invoice_payments?invoice={invoice['id']}")


def coupon_currencies(store: Store, coupon: Json) -> Json:
    """What a coupon takes off in each currency."""
    further = (store.get("private", coupon["id"]) or {}).get("amounts_off", {})
    own = {coupon["currency"]: coupon["amount_off"]} if coupon["currency"] else {}
    return {currency: {"amount_off": amount} for currency, amount in sorted({**further, **own}.items())}


def nothing(sub_list: str) -> Callable[[Store, Json], Json]:
    """A sub-list that is always empty here."""
    return lambda _store, item: embedded_list([], f"/v1/customers/{item['id']}/{sub_list}")


# What Stripe's types let be expanded and be absent: where it is absent it stays so, and that is no error. The first
# group are sub-objects that the sandbox never has. Hashes within an object have no name of their own.
MAY_LACK = frozenset(
    [
        ("coupon", "applies_to"),
        ("customer", "cash_balance"),
        ("customer", "invoice_credit_balance"),
        ("customer", "tax"),
        ("invoice", "confirmation_secret"),
        ("price", "tiers"),
        ("refund", "failure_balance_transaction"),
        ("", "account"),  # an invoice's issuer
        ("", "charge"),  # what paid an invoice
        ("", "rule"),  # Radar's, in a charge's outcome
    ]
)
# Fields that name an object whose id needn't have a prefix.
KIND_OF_FIELD = {"coupon": "coupon", "product": "product"}
INCLUDABLE: dict[tuple[str, str], Callable[[Store, Json], Json]] = {
    ("checkout.session", "line_items"): session_items,
    ("payment_link", "line_items"): link_items,
    ("charge", "refunds"): charge_refunds,
    ("price", "currency_options"): currency_options,
    ("coupon", "currency_options"): coupon_currencies,
    ("invoice", "payments"): invoice_payments,
    ("customer", "subscriptions"): nothing("subscriptions"),
    ("customer", "sources"): nothing("sources"),
    ("customer", "tax_ids"): nothing("tax_ids"),
}
