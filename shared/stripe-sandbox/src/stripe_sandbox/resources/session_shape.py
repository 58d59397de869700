"""A checkout session as the API shows it when it opens."""

from __future__ import annotations

from typing import Any

from stripe_sandbox.ids import new_id, random_text
from stripe_sandbox.operation import Operation, merge_metadata
from stripe_sandbox.resources.amounts import Totals
from stripe_sandbox.resources.collecting import automatic_tax, tax_id_collection
from stripe_sandbox.store import Json

PAYMENT_METHODS = ("card", "us_bank_account")
HOSTED = "hosted_page"
# Defaults of branding_settings
BRANDING: Json = {
    "background_color": "#ffffff",
    "border_style": "rounded",
    "button_color": "#0074d4",
    "display_name": "Atlas sandbox",
    "font_family": "default",
    "icon": None,
    "logo": None,
}
FIELD_VALUES: dict[str, Json] = {
    "dropdown": {"default_value": None, "value": None},
    "numeric": {"default_value": None, "maximum_length": None, "minimum_length": None, "value": None},
    "text": {"default_value": None, "maximum_length": None, "minimum_length": None, "value": None},
}


def new_session(op: Operation, params: Json, totals: Totals | None, discounts: list[Json], expires_at: int) -> Json:
    """The session; see ``shapes`` for the members that are left out where they are None."""
    identifier, mode = new_id("checkout.session"), params["mode"]
    customer = op.store.get("customer", params.get("customer", "")) or {}
    email = customer.get("email") or params.get("customer_email")
    ui_mode = params.get("ui_mode", HOSTED)
    return {
        "id": identifier,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": params.get("adaptive_pricing", {}).get("enabled", False)},
        "after_expiration": after_expiration(params.get("after_expiration")),
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "amount_subtotal": totals.subtotal if totals else None,
        "amount_total": totals.total if totals else None,
        "automatic_tax": automatic_tax(op, params),
        "billing_address_collection": params.get("billing_address_collection"),
        "branding_settings": branding(params.get("branding_settings")),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None if ui_mode == HOSTED else f"{identifier}_secret_{random_text(40)}",
        "collected_information": None,
        "consent": None,
        "consent_collection": filled(
            params.get("consent_collection"), "payment_method_reuse_agreement", "promotions", "terms_of_service"
        ),
        "created": op.now,
        "currency": totals.currency if totals else params.get("currency"),
        "currency_conversion": None,
        "custom_fields": [custom_field(entry) for entry in params.get("custom_fields") or []],
        "custom_text": custom_text(params.get("custom_text") or {}),
        "customer": params.get("customer"),
        "customer_account": None,
        "customer_creation": creation(params),
        "customer_details": details(email, customer.get("name")) if email else None,
        "customer_email": params.get("customer_email"),
        "discounts": discounts,
        "excluded_payment_method_types": params.get("excluded_payment_method_types"),
        "expires_at": expires_at,
        "integration_identifier": params.get("integration_identifier"),
        "invoice": None,
        "invoice_creation": invoice_creation(params) if mode == "payment" else None,
        "livemode": False,
        "locale": params.get("locale"),
        "managed_payments": {"enabled": params.get("managed_payments", {}).get("enabled", False)},
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "mode": mode,
        "name_collection": name_collection(params.get("name_collection")),
        "optional_items": None,
        "origin_context": params.get("origin_context"),
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": params.get(
            "payment_method_collection", "always" if mode == "subscription" else "if_required"
        ),
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": methods_of(params),
        "payment_status": "unpaid" if totals and totals.total else "no_payment_required",
        "permissions": filled(params.get("permissions"), "update_shipping_details"),
        "phone_number_collection": {"enabled": params.get("phone_number_collection", {}).get("enabled", False)},
        "recovered_from": None,
        "redirect_on_completion": None if ui_mode == HOSTED else params.get("redirect_on_completion", "always"),
        "return_url": params.get("return_url"),
        "saved_payment_method_options": filled(
            params.get("saved_payment_method_options"),
            "allow_redisplay_filters",
            "payment_method_remove",
            "payment_method_save",
        ),
        "setup_intent": None,
        "shipping_address_collection": params.get("shipping_address_collection"),
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params.get("success_url"),
        "tax_id_collection": tax_id_collection(params),
        "total_details": {"amount_discount": totals.discount, "amount_shipping": 0, "amount_tax": totals.tax}
        if totals
        else None,
        "ui_mode": ui_mode,
        "url": f"{op.settings.public_url}/c/pay/{identifier}" if ui_mode == HOSTED else None,
        "wallet_options": params.get("wallet_options"),
    }


def filled(given: Any, *names: str) -> Json | None:
    """A hash with all its members, null where nothing was given; None without the hash."""
    return {**dict.fromkeys(names), **given} if given else None


def creation(params: Json) -> str | None:
    """``customer_creation``; None if the session has a customer, and in other modes than payment."""
    if "customer" in params or params["mode"] != "payment":
        return None
    return str(params.get("customer_creation", "if_required"))


def after_expiration(given: Json | None) -> Json | None:
    """What happens to a session that nobody pays."""
    if not given:
        return None
    recovery = given.get("recovery")
    base: Json = {"allow_promotion_codes": False, "expires_at": None, "url": None}
    return {"recovery": {**base, **recovery} if recovery else None}


def branding(given: Json | None) -> Json | None:
    """``branding_settings`` with defaults; None if none were given."""
    return {**BRANDING, **{name: value for name, value in given.items() if value != ""}} if given else None


def custom_field(given: Json) -> Json:
    """One further question to the buyer, unanswered."""
    kind = given["type"]
    return {**given, "optional": given.get("optional", False), kind: {**FIELD_VALUES[kind], **given.get(kind, {})}}


def custom_text(given: Json) -> Json:
    """The session's own words, or null for each place."""
    places = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    return {place: given.get(place) or None for place in places}


def name_collection(given: Json | None) -> Json | None:
    """Which names are asked for."""
    return {name: {"optional": False, **value} for name, value in given.items()} if given else None


def methods_of(params: Json) -> list[str]:
    """Ways to pay that are offered."""
    allowed = params.get("allowed_payment_method_types") or PAYMENT_METHODS
    excluded = params.get("excluded_payment_method_types") or ()
    return [method for method in PAYMENT_METHODS if method in allowed and method not in excluded] or ["card"]


def invoice_creation(params: Json) -> Json:
    """The session's view of its invoice settings."""
    given = params.get("invoice_creation", {})
    data = given.get("invoice_data", {})
    return {
        "enabled": given.get("enabled", False),
        "invoice_data": {
            "account_tax_ids": None,
            "custom_fields": data.get("custom_fields") or None,
            "description": data.get("description"),
            "footer": data.get("footer"),
            "issuer": None,
            "metadata": data.get("metadata", {}),
            "rendering_options": filled(data.get("rendering_options"), "amount_tax_display", "template"),
        },
    }


def details(email: str | None, name: str | None) -> Json:
    """``customer_details``."""
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {
        "address": address if name else None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": None,
    }
