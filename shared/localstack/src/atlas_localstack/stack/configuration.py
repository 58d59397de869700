"""The environment variables that the user gave to `./atlas up`, and which of them each service gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Variables that a user may set for each service. Those that the stack itself sets (addresses, databases, broker) are
# not among them: a local stack must never migrate a database whose DATABASE_URL happens to be set in the shell.
RETENTION = ("BILLING_RETENTION_DAYS", "ENTITLEMENTS_RETENTION_DAYS", "PARKED_RETENTION_DAYS")
# No service reads INTERNAL_AUTH_SECRET any more; each gets it only to log that it is not read.
SHARED = ("INTERNAL_AUTH_SECRET", "LOG_LEVEL", *RETENTION)
# The policy and other settings that are not secret; every service gets them, whether it reads them or not.
SHARED_PREFIXES = ("BILLING_",)
OWN: Mapping[str, tuple[str, ...]] = {
    "account-gateway": (
        "NEXTAUTH_SECRET",
        "NEXTAUTH_URL",
        "NEXTAUTH_SESSION_STRATEGY",
        "ATLAS_DATABASE_URL",
        "ATLAS_DEV_SIGN_IN",
        "ATLAS_SIGN_IN_URL",
        "ATLAS_SIGN_OUT_URL",
    ),
    "webhook-ingest": ("STRIPE_SECRET_KEY", "STRIPE_API_BASE", "STRIPE_WEBHOOK_SECRET", "STRIPE_ACCOUNT_ID"),
    "checkout": (
        "STRIPE_SECRET_KEY",
        "STRIPE_API_BASE",
        "STRIPE_PRICE_PRO_LIFETIME",
        "STRIPE_BILLING_PORTAL_CONFIGURATION_ID",
        "BACKFILL_REQUESTS_PER_SECOND",
        "STRIPE_AUTOMATIC_TAX",
        "STRIPE_TAX_ID_COLLECTION",
        "STRIPE_ALLOW_PROMOTION_CODES",
        "NEXTAUTH_URL",
        "DATABASE_POOL_SIZE",
    ),
    "entitlements": ("DATABASE_POOL_SIZE",),
    "desk": (),
}
PREFIXES: Mapping[str, tuple[str, ...]] = {"account-gateway": ("RATE_LIMIT_",), "desk": ("DESK_",)}
# Variables that every process needs; no other variable of the user's shell reaches a service.
MACHINE = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV")
MACHINE_PREFIXES = ("OTEL_", "PYTHON", "COVERAGE_", "ATLAS_FAILPOINT")
STACK_OWNED = frozenset({"ENTITLEMENTS_URL", "CHECKOUT_URL", "WEBHOOK_INGEST_URL", "DATABASE_URL", "NATS_URL"})

STRIPE_KEY = re.compile(r"(sk|rk)_(test|live)_\S+")
# The sandbox gets these values too, under other names, and it starts before the services. Its error would name a
# variable that the user has not set, so these are checked first.
OF_SANDBOX_TOO: Mapping[str, tuple[re.Pattern[str], str]] = {
    "STRIPE_WEBHOOK_SECRET": (
        re.compile(r"(\s*(whsec_[^\s,]+\s*)?(,|$))+"),
        "must be one or more values that start with whsec_, comma-separated",
    ),
    "STRIPE_PRICE_PRO_LIFETIME": (re.compile(r"price_\w+"), "must start with price_"),
    "NEXTAUTH_URL": (
        re.compile(r"https?://[^\s/?#]+/?", re.IGNORECASE),
        "must be an origin such as https://atlas.example, without a path",
    ),
}


class StackConfigurationError(Exception):
    """A variable is missing or wrong; the message names it, never its value, and says what to do."""


@dataclass(frozen=True)
class Stripe:
    """Which Stripe the services talk to."""

    sandbox: bool
    secret_key: str
    webhook_secret: str
    price_id: str


def check(given: Mapping[str, str]) -> None:
    """Check the variables that the sandbox would be the first to refuse. Raises StackConfigurationError."""
    wrong = [
        f"{name}: {message}"
        for name, (shape, message) in OF_SANDBOX_TOO.items()
        if name in given and not shape.fullmatch(given[name])
    ]
    if wrong:
        raise StackConfigurationError("\n".join(wrong))


def stripe(given: Mapping[str, str], own_key: str, own_webhook_secret: str) -> Stripe:
    """The sandbox, unless STRIPE_SECRET_KEY is a real key."""
    key = given.get("STRIPE_SECRET_KEY", own_key)
    if key.startswith("sk_test_sandbox"):
        price = given.get("STRIPE_PRICE_PRO_LIFETIME", "price_atlas_pro_lifetime")
        secret = given.get("STRIPE_WEBHOOK_SECRET", own_webhook_secret)
        return Stripe(sandbox=True, secret_key=key, webhook_secret=secret, price_id=price)
    if not STRIPE_KEY.fullmatch(key):
        raise StackConfigurationError(
            "STRIPE_SECRET_KEY: is not a Stripe secret key (sk_test_…, rk_test_…). Unset it to use the sandbox."
        )
    missing = [name for name in ("STRIPE_WEBHOOK_SECRET", "STRIPE_PRICE_PRO_LIFETIME") if name not in given]
    if missing:
        raise StackConfigurationError(
            f"{', '.join(missing)}: needed beside a real STRIPE_SECRET_KEY. Set them too, or unset STRIPE_SECRET_KEY "
            "to use the built-in sandbox."
        )
    secret, price = given["STRIPE_WEBHOOK_SECRET"], given["STRIPE_PRICE_PRO_LIFETIME"]
    return Stripe(sandbox=False, secret_key=key, webhook_secret=secret, price_id=price)


def of_machine(given: Mapping[str, str]) -> dict[str, str]:
    """The variables that every process of the stack gets."""
    return {name: value for name, value in given.items() if name in MACHINE or name.startswith(MACHINE_PREFIXES)}


def retention(given: Mapping[str, str]) -> dict[str, str]:
    """How long the streams keep their messages, as far as the user has said it."""
    return {name: given[name] for name in RETENTION if name in given}


def of_user(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """The variables that the user has set for this service."""
    names, prefixes = {*SHARED, *OWN[service]}, (*SHARED_PREFIXES, *PREFIXES.get(service, ()))
    return {
        name: value
        for name, value in given.items()
        if (name in names or name.startswith(prefixes)) and name not in STACK_OWNED
    }


def first(secrets: str) -> str:
    """The first, and so newest, of a comma-separated list of secrets: the one that signs."""
    return next((part.strip() for part in secrets.split(",") if part.strip()), "")
