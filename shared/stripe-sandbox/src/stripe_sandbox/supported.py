"""Parameters that Stripe supports and the sandbox doesn't: they are refused by name, and not silently ignored.

A path is a parameter's name, with dots for members and ``*`` for any key of a map; it applies to each entry of a list.
With ``=value`` only that value is refused. False and empty values, which ask for nothing, are accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stripe_sandbox.errors import unsupported

INTENT = (
    "amount_details",
    "capture_method=manual",
    "hooks",
    "payment_details",
    "payment_method_data",
    "payment_method_options",
)
CONFIRMATION = ("confirmation_token", "mandate", "mandate_data", "radar_options")
LINK = (
    "application_fee_amount",
    "application_fee_percent",
    "automatic_tax",
    "billing_address_collection",
    "consent_collection",
    "custom_fields",
    "custom_text",
    "invoice_creation",
    "name_collection",
    "on_behalf_of",
    "optional_items",
    "payment_method_collection",
    "payment_method_options",
    "payment_method_types",
    "phone_number_collection",
    "restrictions",
    "shipping_address_collection",
    "shipping_options",
    "submit_type",
    "subscription_data",
    "tax_id_collection",
    "transfer_data",
)
ITEM = ("line_items.adjustable_quantity", "line_items.dynamic_tax_rates", "line_items.tax_rates")
MONEY = ("currency_options.*.custom_unit_amount", "currency_options.*.tiers")
PAYMENT_DATA = (
    "payment_intent_data.application_fee_amount",
    "payment_intent_data.capture_method=manual",
    "payment_intent_data.on_behalf_of",
    "payment_intent_data.transfer_data",
)
CUSTOMER = ("cash_balance", "source", "tax", "validate")
REFUSED: dict[str, tuple[str, ...]] = {
    "CouponCreateParams": ("applies_to",),
    "CustomerCreateParams": (*CUSTOMER, "payment_method", "tax_id_data", "test_clock"),
    "CustomerUpdateParams": (*CUSTOMER, "default_source"),
    "DisputeUpdateParams": ("evidence.enhanced_evidence",),
    "PaymentIntentConfirmParams": (*INTENT, *CONFIRMATION, "amount_to_confirm"),
    "PaymentIntentCreateParams": (
        *INTENT,
        *CONFIRMATION,
        "application_fee_amount",
        "confirmation_method=manual",
        "customer_account",
        "on_behalf_of",
        "payment_method_configuration",
        "transfer_data",
    ),
    "PaymentIntentUpdateParams": (
        *INTENT,
        "application_fee_amount",
        "customer_account",
        "payment_method_configuration",
        "transfer_data",
    ),
    "PaymentLinkCreateParams": (*LINK, *ITEM, *PAYMENT_DATA, "currency", "managed_payments"),
    "PaymentLinkUpdateParams": (*LINK, "line_items", "payment_intent_data"),
    "PriceCreateParams": (
        *MONEY,
        "billing_scheme=tiered",
        "custom_unit_amount",
        "recurring.meter",
        "recurring.usage_type=metered",
        "tiers",
        "tiers_mode",
        "transform_quantity",
    ),
    "PriceUpdateParams": MONEY,
    "ProductCreateParams": (
        "default_price_data.currency_options.*.custom_unit_amount",
        "default_price_data.currency_options.*.tiers",
        "default_price_data.custom_unit_amount",
    ),
    "PromotionCodeCreateParams": ("customer_account", "restrictions.currency_options"),
    "PromotionCodeUpdateParams": ("restrictions",),
    "RefundCreateParams": (
        "currency",
        "customer",
        "instructions_email",
        "origin",
        "refund_application_fee",
        "reverse_transfer",
    ),
    "WebhookEndpointCreateParams": ("connect",),
    "billing_portal.SessionCreateParams": ("after_expiration", "customer_account", "flow_data", "on_behalf_of"),
    "checkout.SessionCreateParams": (
        *ITEM,
        *PAYMENT_DATA,
        "automatic_tax.liability",
        "customer_account",
        "invoice_creation.invoice_data.account_tax_ids",
        "invoice_creation.invoice_data.issuer",
        "managed_payments.enabled",
        "optional_items",
        "payment_method_configuration",
        "payment_method_data",
        "payment_method_options",
        "setup_intent_data",
        "shipping_options",
        "subscription_data",
    ),
    "checkout.SessionUpdateParams": ("collected_information", "line_items", "payment_intent_data", "shipping_options"),
}


def require_supported(params_class: str, params: dict[str, Any]) -> None:
    """Raises a StripeError that names the first parameter that the sandbox doesn't support."""
    for path in REFUSED.get(params_class, ()):
        names, _, only = path.partition("=")
        for name, value in found(params, names.split("."), ""):
            asks = value == only if only else value is not False and value not in ("", [])
            if asks:
                raise unsupported(name)


def found(value: Any, parts: list[str], name: str) -> Iterator[tuple[str, Any]]:
    """Each place that a path leads to: the parameter's full name and its value."""
    if isinstance(value, list):
        for place, child in enumerate(value):
            yield from found(child, parts, f"{name}[{place}]") if parts else iter(())
        if not parts:
            yield name, value
    elif not parts:
        yield name, value
    elif isinstance(value, dict):
        keys = list(value) if parts[0] == "*" else [parts[0]] if parts[0] in value else []
        for key in keys:
            yield from found(value[key], parts[1:], f"{name}[{key}]" if name else key)
