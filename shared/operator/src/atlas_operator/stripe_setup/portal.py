"""The billing portal's configuration: the one that is named, else the one that Atlas has made, else a new one."""

from __future__ import annotations

from typing import Any

from atlas_operator.errors import CallFailed
from atlas_operator.stripe_setup.account import PORTAL, Json
from atlas_operator.stripe_setup.asked import Asked
from atlas_operator.stripe_setup.kept import Kept
from atlas_operator.stripe_setup.step import CONFIGURATION, Maker, SetupStep, keep
from atlas_stripe.portal_configuration import FEATURES, FIRST_KEY, MARK, PARAMETERS

PATH = "/v1/billing_portal/configurations"
VARIABLE = "STRIPE_BILLING_PORTAL_CONFIGURATION_ID"
NEEDED = ("invoice_history", "payment_method_update", "subscription_cancel", "subscription_update")
"""Features that must be as we have them; what else buyers may do is the operator's choice."""


def step(maker: Maker, asked: Asked, kept: Kept) -> SetupStep:
    """What is to be done about the configuration. Raises CallFailed for a named one that isn't there."""
    found = _named(maker, asked) or _ours(maker, kept)
    if found is None:
        return SetupStep(CONFIGURATION, "create", "invoice history on, subscriptions off", do=lambda: _make(maker))
    wrong = [name for name in NEEDED if _enabled(found, name) != FEATURES[name]["enabled"]]
    changes: dict[str, Any] = {"features": {name: FEATURES[name] for name in wrong}} if wrong else {}
    what = [f"{name.replace('_', ' ')} {'on' if FEATURES[name]['enabled'] else 'off'}" for name in wrong]
    if not found["active"]:
        changes["active"] = True
        what.insert(0, "activate")
    if not changes:
        return keep(CONFIGURATION, found["id"])

    def do() -> None:
        maker.account.change(f"{PATH}/{found['id']}", PORTAL, **changes)

    return SetupStep(CONFIGURATION, "change", ", ".join(what), found["id"], do)


def _named(maker: Maker, asked: Asked) -> Json | None:
    if not asked.portal_id:
        return None
    found = maker.account.read(f"{PATH}/{asked.portal_id}", PORTAL)
    if found is None:
        raise CallFailed(
            f"{VARIABLE} names {asked.portal_id}, which does not exist in {asked.mode} mode. Is it of the other mode,"
            " or of another account? Correct it, or unset it to have one made."
        )
    return found


def _ours(maker: Maker, kept: Kept) -> Json | None:
    """One with our mark. Stripe deletes no configuration: of several, the one in use is taken, else the oldest."""
    marked = [
        found for found in maker.account.every(PATH, PORTAL) if MARK.items() <= (found.get("metadata") or {}).items()
    ]
    used = kept.values().get(VARIABLE)

    def order(each: Json) -> tuple[Any, ...]:
        return each["id"] != used, not each["active"], each["created"], each["id"]

    return min(marked, key=order, default=None)


def _enabled(configuration: Json, feature: str) -> bool:
    return bool((configuration["features"].get(feature) or {}).get("enabled"))


def _make(maker: Maker) -> None:
    maker.make(CONFIGURATION, PATH, PORTAL, PARAMETERS, maker.next_key(CONFIGURATION, FIRST_KEY))
