"""What is to be set up, and where: from options, environment and running stack, checked before any call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from atlas_operator import money
from atlas_operator.errors import CallFailed, NoTarget
from atlas_operator.local import LocalStack, running_stack

KEY = re.compile(r"(sk|rk)_(test|live)_\S+")
AMOUNT = re.compile(r"[1-9][0-9]{0,7}")
"""Stripe's own bounds, in minor units."""
LONGEST_URL = 2048
LOOPBACK = ("localhost", "127.0.0.1", "::1")
DEFAULT_AMOUNT, DEFAULT_CURRENCY = 4900, "usd"


@dataclass(frozen=True)
class Asked:
    """What an operator asks for. ``amount`` and ``currency`` are None where they were not given."""

    key: str = field(repr=False)
    base: str | None
    live: bool
    url: str
    amount: int | None
    currency: str | None
    price_id: str | None
    """STRIPE_PRICE_PRO_LIFETIME."""
    portal_id: str | None
    """STRIPE_BILLING_PORTAL_CONFIGURATION_ID."""
    secrets: tuple[str, ...] = field(repr=False)
    """Signing secrets that the services have for this URL: STRIPE_WEBHOOK_SECRET, `stack.json`."""

    @property
    def mode(self) -> str:
        return "live" if self.live else "test"


def asked(given: Mapping[str, str], *, url: str | None, live: bool, amount: str | None, currency: str | None) -> Asked:
    """Raises NoTarget or CallFailed with what to do; nothing has been asked of Stripe then."""
    if url is not None and not url.strip():
        raise CallFailed("--url must not be empty.")
    price = _amount(amount), _currency(currency)
    running = running_stack(given)
    key, base = _account(given, running)
    is_live = "_live_" in key[:8]
    _right_mode(is_live=is_live, said=live, base=base)
    webhook: Mapping[str, Any] = running.stack.get("webhook") or {} if running else {}
    target = _url(url or webhook.get("url") or given.get("WEBHOOK_PUBLIC_URL"), is_live=is_live, base=base)
    secrets = parts(given.get("STRIPE_WEBHOOK_SECRET"))
    if same_url(target, str(webhook.get("url"))):
        secrets += parts(webhook.get("secret"))
    return Asked(
        key=key,
        base=base,
        live=is_live,
        url=target,
        amount=price[0],
        currency=price[1],
        price_id=given.get("STRIPE_PRICE_PRO_LIFETIME"),
        portal_id=given.get("STRIPE_BILLING_PORTAL_CONFIGURATION_ID"),
        secrets=secrets,
    )


def parts(secrets: object) -> tuple[str, ...]:
    """The values of a comma-separated list of secrets."""
    return tuple(part.strip() for part in str(secrets or "").split(",") if part.strip())


def same_url(one: str, other: str) -> bool:
    """Whether both lead to the same place, however they are spelled."""
    return _normal(one) == _normal(other)


def _normal(url: str) -> tuple[str, str, int | None, str, str]:
    try:
        parsed = urlsplit(url)
        port = parsed.port
    except ValueError:
        return (url, "", None, "", "")
    scheme = parsed.scheme.lower()
    usual = {"http": 80, "https": 443}.get(scheme)
    return (scheme, parsed.hostname or "", port or usual, parsed.path or "/", parsed.query)


def _account(given: Mapping[str, str], running: LocalStack | None) -> tuple[str, str | None]:
    sandbox: Mapping[str, Any] = running.stack.get("sandbox") or {} if running else {}
    key = given.get("STRIPE_SECRET_KEY") or sandbox.get("secret_key")
    if not key:
        raise NoTarget("Which Stripe? Set STRIPE_SECRET_KEY, or start the local stack with its sandbox: ./atlas up")
    if not KEY.fullmatch(key):
        raise CallFailed("STRIPE_SECRET_KEY is no Stripe secret key (sk_test_…, rk_test_…, sk_live_…, rk_live_…).")
    base = given.get("STRIPE_API_BASE") or (sandbox.get("url") if key == sandbox.get("secret_key") else None)
    if base is None and key.startswith("sk_test_sandbox"):
        raise NoTarget("STRIPE_SECRET_KEY is of a sandbox that is not running. Start it with ./atlas up.")
    return key, base.rstrip("/") if base else None


def _right_mode(*, is_live: bool, said: bool, base: str | None) -> None:
    if is_live and not said:
        raise CallFailed("This is a live key: what is made with it sells for real money. If you mean it, add --live.")
    if said and not is_live:
        raise CallFailed("--live is given, and the key is a test key. Set STRIPE_SECRET_KEY to the live key.")
    if is_live and base:
        raise CallFailed("A live key goes to Stripe only: unset STRIPE_API_BASE.")


def _url(url: str | None, *, is_live: bool, base: str | None) -> str:
    if not url:
        raise NoTarget("Where shall Stripe send webhooks? Say --url https://…/api/billing/stripe/webhook")
    scheme, host, *_ = _normal(url)
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= LONGEST_URL
    if scheme not in ("http", "https") or not host or not plain:
        raise CallFailed("--url must be a URL such as https://atlas.example/api/billing/stripe/webhook")
    if "@" in urlsplit(url).netloc or urlsplit(url).fragment:
        raise CallFailed("--url must hold no password and no fragment (#…).")
    if _out_of_reach(host, base):
        raise CallFailed(f"Stripe cannot reach {host}. Say --url https://…/api/billing/stripe/webhook")
    if is_live and scheme != "https":
        raise CallFailed("In live mode Stripe sends to https only. Say --url https://…")
    return url


def _out_of_reach(host: str, base: str | None) -> bool:
    """Whether this Stripe can't know the host: this machine for Stripe itself; a name without a dot for Stripe and for
    a sandbox on this machine. A sandbox elsewhere (a network of containers) has names of its own.
    """
    if host in LOOPBACK:
        return base is None
    local = base is None or (urlsplit(base).hostname or "") in LOOPBACK
    return local and "." not in host.strip(".") and ":" not in host


def _amount(text: str | None) -> int | None:
    if text is not None and not AMOUNT.fullmatch(text):
        raise CallFailed("--amount must be a number of minor units (4900 for 49.00 USD), 1 to 99999999.")
    return int(text) if text is not None else None


def _currency(text: str | None) -> str | None:
    if text is not None and text.lower() not in money.CURRENCIES:
        raise CallFailed("--currency must be the three-letter code of a currency that Stripe sells in, such as usd.")
    return text.lower() if text is not None else None
