"""Billing portal: configurations and sessions."""

from __future__ import annotations

from typing import Any

from atlas_devstack.sandbox.errors import StripeError
from atlas_devstack.sandbox.ids import new_id, random_text
from atlas_devstack.sandbox.operation import Operation, change, merge_metadata
from atlas_devstack.sandbox.resources.customers import living
from atlas_devstack.sandbox.shapes import QUANTITY
from atlas_devstack.sandbox.store import Json

FEATURES: Json = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "feedback_options": [], "options": []},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {"duration": {"interval_options": [], "type": "indefinite"}, "enabled": False},
    "subscription_update": {
        "billing_cycle_anchor": None,
        "default_allowed_updates": [],
        "enabled": False,
        "products": [],
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}


def create_configuration(op: Operation, params: Json) -> Json:
    """``POST /v1/billing_portal/configurations``."""
    profile = params.get("business_profile", {})
    configuration: Json = {
        "id": new_id("billing_portal.configuration"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {
            "headline": profile.get("headline") or None,
            "privacy_policy_url": profile.get("privacy_policy_url"),
            "terms_of_service_url": profile.get("terms_of_service_url"),
        },
        "created": op.now,
        "default_return_url": params.get("default_return_url") or None,
        "features": features(FEATURES, params["features"]),
        # Only the dashboard makes a default configuration; without one, a session has to name its own.
        "is_default": False,
        "livemode": False,
        "login_page": login_page(op, params.get("login_page", {}).get("enabled", False)),
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "name": params.get("name") or None,
        "updated": op.now,
    }
    op.put(configuration)
    op.emit("billing_portal.configuration.created", configuration)
    return configuration


def login_page(op: Operation, enabled: bool) -> Json:
    """Where customers can open the portal by themselves."""
    return {"enabled": enabled, "url": f"{op.settings.public_url}/p/login" if enabled else None}


def features(current: Json, given: Json) -> Json:
    """Given features over the current ones, member by member; an empty value unsets."""
    shown: Json = merged(current, given)
    for product in shown["subscription_update"]["products"]:
        product["adjustable_quantity"] = {**QUANTITY, **product.get("adjustable_quantity", {})}
    return shown


def merged(current: Any, given: Any) -> Any:
    """One value over another; of a hash, what isn't given stays."""
    if isinstance(current, dict) and isinstance(given, dict):
        return {**current, **{name: merged(current.get(name), value) for name, value in given.items()}}
    if given == "":
        return [] if isinstance(current, list) else None
    return given


def update_configuration(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/billing_portal/configurations/{id}``."""
    configuration = op.get("billing_portal.configuration", identifier)
    changes: Json = {name: params[name] or None for name in ("default_return_url", "name") if name in params}
    if "login_page" in params:
        changes["login_page"] = login_page(op, params["login_page"]["enabled"])
    if "active" in params:
        changes["active"] = params["active"]
    if "features" in params:
        changes["features"] = features(configuration["features"], params["features"])
    if "business_profile" in params:
        given = {name: value or None for name, value in params["business_profile"].items()}
        changes["business_profile"] = {**configuration["business_profile"], **given}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(configuration["metadata"], params["metadata"])
    previous = change(configuration, **changes)
    if previous:
        previous.update(change(configuration, updated=op.now))
    op.put(configuration)
    if previous:
        op.emit("billing_portal.configuration.updated", configuration, previous)
    return configuration


def create_session(op: Operation, params: Json) -> Json:
    """``POST /v1/billing_portal/sessions``: refused while no configuration exists, as in a new Stripe account."""
    customer = living(op, params.get("customer", ""), "customer")
    configuration = chosen_configuration(op, params.get("configuration"))
    identifier = new_id("billing_portal.session")
    secret = random_text(48)
    session: Json = {
        "id": identifier,
        "object": "billing_portal.session",
        "configuration": configuration["id"],
        "created": op.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": None,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url") or configuration["default_return_url"],
        "url": f"{op.settings.public_url}/p/session/test_{secret}",
    }
    op.store.put("portal_secret", secret, {"session": identifier})
    op.put(session)
    op.emit("billing_portal.session.created", session)
    return session


def chosen_configuration(op: Operation, identifier: Any) -> Json:
    """The named configuration; else the default one."""
    if identifier:
        configuration = op.get("billing_portal.configuration", identifier, "configuration")
        if not configuration["active"]:
            raise StripeError(f"The configuration {identifier} is not active.", param="configuration")
        return configuration
    for configuration in op.store.of("billing_portal.configuration").oldest_first():
        if configuration["active"] and configuration["is_default"]:
            return configuration
    raise StripeError(
        "No configuration provided and your test mode default configuration has not been created. Provide a "
        "configuration or create your default by saving your customer portal settings in test mode at "
        "https://dashboard.stripe.com/test/settings/billing/portal."
    )
