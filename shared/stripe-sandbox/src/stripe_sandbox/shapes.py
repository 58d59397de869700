"""Members that Stripe leaves out instead of showing null, and members that journals of earlier versions lack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
# By Stripe's types these are absent when they have no value, never null.
ABSENT: dict[str, tuple[str, ...]] = {
    "charge": ("presentment_details",),
    "checkout.session": (
        "branding_settings",
        "excluded_payment_method_types",
        "name_collection",
        "presentment_details",
        "redirect_on_completion",
        "return_url",
        "tax_id_collection",
    ),
    "customer": ("business_name", "individual_name"),
    "payment_intent": ("payment_details",),
    "payment_link": ("name_collection",),
    "refund": ("description", "failure_balance_transaction", "failure_reason", "pending_reason", "presentment_details"),
}


# How a customer may change a subscription's quantity, where nothing was said
QUANTITY: Json = {"enabled": False, "maximum": None, "minimum": 1}


def without_absent(item: Json) -> Json:
    """The same object, without members that are null and that Stripe would leave out."""
    for name in ABSENT.get(item["object"], ()):
        if name in item and item[name] is None:
            del item[name]
    return item


def as_shown(item: Json) -> Json:
    """The object as answers show it: of a deleted one the stub alone, without the time by which the store orders it."""
    return {name: item[name] for name in ("id", "object", "deleted")} if item.get("deleted") else item


def upgraded(kind: str, item: Json) -> Json:
    """An object of an older journal in the present shape; anything else unchanged."""
    if item.get("object") != kind or item.get("deleted"):
        return item
    for name, value in ADDED.get(kind, {}).items():
        item.setdefault(name, value)
    further = FURTHER.get(kind)
    if further is not None:
        further(item)
    return without_absent(item)


def upgrade_charge(item: Json) -> None:
    """The details of how it was paid."""
    details = item["payment_method_details"]
    if "card" in details:
        details["card"] = {"electronic_commerce_indicator": None, "transaction_link_id": None, **details["card"]}
    for name in ("expected_debit_date", "mandate"):
        if details.get("us_bank_account", {}).get(name, "") is None:
            del details["us_bank_account"][name]


def upgrade_configuration(item: Json) -> None:
    """Portal features that an older journal doesn't know."""
    features = item["features"]
    features["subscription_pause"].setdefault("duration", {"interval_options": [], "type": "indefinite"})
    features["subscription_update"].setdefault("billing_cycle_anchor", None)
    features["subscription_cancel"]["cancellation_reason"].setdefault("feedback_options", [])
    for product in features["subscription_update"]["products"]:
        product["adjustable_quantity"] = {**QUANTITY, **product.get("adjustable_quantity", {})}


def upgrade_intent(item: Json) -> None:
    """How a card would be charged."""
    options = item["payment_method_options"] or {}
    if "card" in options:
        options["card"] = {"installments": None, "mandate_options": None, "network": None, **options["card"]}


def upgrade_link(item: Json) -> None:
    """What a link does afterwards."""
    if item["after_completion"].get("redirect", "") is None:
        del item["after_completion"]["redirect"]


def upgrade_price(item: Json) -> None:
    """A subscription's terms."""
    if item["recurring"]:
        item["recurring"].setdefault("trial_period_days", None)


ADDED: dict[str, Json] = {
    "payment_intent": {"managed_payments": None, "payment_record": None},
    "product": {"tax_details": None},
}
FURTHER: dict[str, Callable[[Json], None]] = {
    "billing_portal.configuration": upgrade_configuration,
    "charge": upgrade_charge,
    "payment_intent": upgrade_intent,
    "payment_link": upgrade_link,
    "price": upgrade_price,
}
