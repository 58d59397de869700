"""What is sold: the price, its product, and the portal where buyers find their invoices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import stripe

from .finding import Report
from .patient import Patient

MISSING = "resource_missing"
PORTAL = "In Stripe's dashboard, under Settings → Billing → Customer portal, "


def price(report: Report, client: stripe.StripeClient, patient: Patient) -> None:
    """The price of Pro sells, once, and so does its product."""
    if not patient.price_id:
        report.warning("the price was not looked at", "Set STRIPE_PRICE_PRO_LIFETIME to include it.")
        return
    try:
        found = client.v1.prices.retrieve(patient.price_id, {"expand": ["product", "currency_options"]})
    except stripe.InvalidRequestError as error:
        if error.code != MISSING:
            raise
        report.error("STRIPE_PRICE_PRO_LIFETIME does not exist here", "Is it of the other mode? Take it from Products.")
        return
    report.check(
        found.active and found.type == "one_time",
        f"the price is active: {found.unit_amount} {found.currency} (minor units), once",
        f"the price is {'' if found.active else 'not active, '}{found.type}",
        "Use an active one-time price.",
    )
    product = found.product
    if isinstance(product, str):
        report.warning(f"the product {product} could not be looked at", "Give the key the permission Products: Read.")
    else:
        report.check(
            bool(getattr(product, "active", False)),
            f"the product {product.id} is active",
            f"the product {product.id} of the price is not active: no checkout can be opened",
            "Activate it in Stripe's dashboard, under Product catalog, or use another price.",
        )
    told_by_stripe: Any = found.last_response.data if found.last_response else {}
    options: Mapping[str, Any] = told_by_stripe.get("currency_options") or {}
    others = [f"{option['unit_amount']} {name}" for name, option in sorted(options.items()) if name != found.currency]
    if others:
        told = ", ".join(others)
        report.ok(f"for information: the price has several currencies; buyers may also be asked {told} (minor units)")


def portal(report: Report, client: stripe.StripeClient, patient: Patient) -> None:
    """The configured portal exists, is active and shows invoices."""
    if not patient.portal_configuration:
        report.ok("no portal configuration is set: the checkout service makes its own, with invoice history")
        return
    name = "STRIPE_BILLING_PORTAL_CONFIGURATION_ID"
    try:
        found = client.v1.billing_portal.configurations.retrieve(patient.portal_configuration)
    except stripe.InvalidRequestError as error:
        if error.code != MISSING:
            raise
        report.error(
            f"{name} does not exist here: buyers cannot open the portal",
            "Is it of the other mode? Unset it, and one is made through the API.",
        )
        return
    report.check(
        found.active,
        f"{name} is active",
        f"{name} is not active: buyers cannot open the portal",
        PORTAL + "activate it; or unset the variable.",
    )
    report.check(
        found.features.invoice_history.enabled,
        f"{name} shows invoices",
        f"{name} has no invoice history: buyers do not find what they bought",
        PORTAL + "switch the invoice history on; or unset the variable.",
    )
