"""Permissions that the key lacks (``PUT /_sandbox/permissions``), refused as Stripe refuses a restricted key.

Names are ``<resource>:read`` and ``<resource>:write``. Exactly the named ones are denied. At Stripe the level Write
includes Read, so to imitate a key with the level None, deny both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.resources.accounts import ACCOUNT_ID

LEVELS = ("read", "write")
CODE = "more_permissions_required"
TODAY, OLDER = "2026", "2025"  # how Stripe words the refusal, by year
SHOWN_OF_KEY = 6  # last characters of the key that the message repeats


@dataclass(frozen=True, slots=True)
class Resource:
    """``label``: the row in Stripe's dashboard. ``slug``: Stripe's own name, without ``rak_`` and level."""

    label: str
    slug: str
    paths: tuple[str, ...]


RESOURCES: dict[str, Resource] = {
    "account": Resource("Accounts", "accounts_kyc_basic", ("account", "accounts")),
    "balance": Resource("Balance", "balance", ("balance",)),
    "balance_transactions": Resource(
        "Balance Transaction Sources", "balance_transaction_source", ("balance_transactions",)
    ),
    "billing_portal_configurations": Resource("Customer Portal", "customer_portal", ("billing_portal/configurations",)),
    "billing_portal_sessions": Resource("Customer Portal", "customer_portal", ("billing_portal/sessions",)),
    "charges": Resource("Charges and Refunds", "charge", ("charges",)),
    "checkout_sessions": Resource("Checkout Sessions", "checkout_session", ("checkout/sessions",)),
    "coupons": Resource("Coupons", "coupon", ("coupons",)),
    "customers": Resource("Customers", "customer", ("customers",)),
    "disputes": Resource("Disputes", "dispute", ("disputes",)),
    "early_fraud_warnings": Resource("Early Fraud Warnings", "early_fraud_warning", ("radar/early_fraud_warnings",)),
    "events": Resource("Events", "event", ("events",)),
    "invoices": Resource("Invoices", "invoice", ("invoices", "invoice_payments")),
    "payment_intents": Resource("PaymentIntents", "payment_intent", ("payment_intents",)),
    "payment_links": Resource("Payment Links", "payment_link", ("payment_links",)),
    "payment_methods": Resource("Payment Methods", "payment_method", ("payment_methods",)),
    "prices": Resource("Prices", "plan", ("prices",)),
    "products": Resource("Products", "product", ("products",)),
    "promotion_codes": Resource("Promotion Codes", "promotion_code", ("promotion_codes",)),
    "refunds": Resource("Charges and Refunds", "charge", ("refunds",)),
    "webhook_endpoints": Resource("Webhook Endpoints", "webhook", ("webhook_endpoints",)),
}
KNOWN = frozenset(f"{name}:{level}" for name in RESOURCES for level in LEVELS)
BY_SLUG: dict[str, list[str]] = {
    f"{resource.slug}_{level}": [f"{name}:{level}" for name, other in RESOURCES.items() if other.slug == resource.slug]
    for resource in RESOURCES.values()
    for level in LEVELS
}


@dataclass(slots=True)
class Permissions:
    """The permissions that the key lacks now."""

    deny: frozenset[str] = field(default_factory=frozenset)
    wording: str = TODAY

    def change(self, names: Any, wording: Any) -> None:
        """Deny these permissions and no others. Raises StripeError for an unknown name."""
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise invalid("Invalid deny: must be a list of permissions", "deny")
        if wording not in {TODAY, OLDER}:
            raise invalid(f"Invalid wording: must be one of {TODAY}, {OLDER}", "wording")
        self.deny, self.wording = frozenset(each for name in names for each in meant(name)), wording

    def shown(self) -> dict[str, Any]:
        """The setting now in force, and every name that could be in it."""
        return {"deny": sorted(self.deny), "wording": self.wording, "known": sorted(KNOWN)}

    def check(self, method: str, path: str, key: str) -> None:
        """Raises StripeError when the call needs a permission that is denied."""
        if not self.deny:
            return
        level = "read" if method == "GET" else "write"
        name = resource_of(path)
        if name is not None and f"{name}:{level}" in self.deny:
            raise self.refusal(RESOURCES[name], level, key)

    def refusal(self, resource: Resource, level: str, key: str) -> StripeError:
        """Stripe's answer to a restricted key that lacks a permission."""
        shown = f"rk_test_{'*' * 12}{key[-SHOWN_OF_KEY:]}"
        lacking = (
            f"The provided key '{shown}' does not have the required permissions for this endpoint on account "
            f"'{ACCOUNT_ID}'."
        )
        if self.wording == OLDER:
            return StripeError(
                f"{lacking} Having the 'rak_{resource.slug}_{level}' permission would allow this request to continue.",
                status=403,
            )
        return StripeError(
            f"Permission denied. {lacking} Enabling {resource.label} {level.capitalize()} "
            f"('{resource.slug}_{level}') permissions on this key would allow this request to continue. You can edit "
            f"permissions at https://dashboard.stripe.com/b/{ACCOUNT_ID}?destination=%2Ftest%2Fapikeys",
            status=403,
            code=CODE,
        )


def meant(name: str) -> list[str]:
    """The permissions that a name stands for; it is one of our names, or Stripe's with or without ``rak_``."""
    found = [name] if name in KNOWN else BY_SLUG.get(name.removeprefix("rak_"))
    if found is None:
        raise invalid(
            f"Unknown permission: {name[:100]}. Known are <resource>:read and <resource>:write with one of the "
            f"resources {', '.join(RESOURCES)}.",
            "deny",
        )
    return found


def resource_of(path: str) -> str | None:
    """The resource that a path under ``/v1`` belongs to."""
    below = path.removeprefix("/v1/") + "/"
    return next(
        (name for name, resource in RESOURCES.items() for each in resource.paths if below.startswith(each + "/")), None
    )
