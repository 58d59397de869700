"""The sandbox's configuration, from ``SANDBOX_*`` environment variables."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

KEY_BYTES = 32
API_VERSION = "2026-10-28.endive"
EVENT_TYPE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")


class ConfigurationError(Exception):
    """One or more variables are missing or wrong; each problem names its variable, never its value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """The sandbox's settings.

    ``webhook_secrets``: the first is the configured endpoint's signing secret.
    ``webhook_events``: the event types that this endpoint gets; ``*`` alone for every type.
    ``public_url``: where browsers reach the hosted pages, without a slash at the end.
    ``hosts``: further names by which clients may call it (a container's, say), in lower case.
    ``entitlement_url`` and ``signing_key`` (a private Ed25519 JWK whose ``kid`` is the name that the product admits):
    for asking the product for users' entitlements (control room).
    """

    secret_key: str
    price_id: str
    public_url: str
    webhook_url: str | None = None
    webhook_secrets: tuple[str, ...] = ()
    webhook_events: tuple[str, ...] = ("*",)
    gateway_url: str | None = None
    entitlement_url: str | None = None
    signing_key: str | None = None
    hosts: frozenset[str] = frozenset()


def load(environment: Mapping[str, str], host: str, port: int) -> Settings:
    """Read and validate the settings. Raises a ConfigurationError that lists everything that is wrong."""
    values = {name: value.strip() for name, value in environment.items() if value.strip()}
    problems: list[str] = []
    for name, prefixes in (("SANDBOX_SECRET_KEY", ("sk_test_", "rk_test_")), ("SANDBOX_PRICE_ID", ("price_",))):
        if name not in values:
            problems.append(f"{name}: is required")
        elif not values[name].startswith(prefixes):
            problems.append(f"{name}: must start with {' or '.join(prefixes)}")
    urls = ("SANDBOX_WEBHOOK_URL", "SANDBOX_PUBLIC_URL", "SANDBOX_GATEWAY_URL", "SANDBOX_ENTITLEMENT_URL")
    wrong = [name for name in urls if name in values and not is_http_url(values[name])]
    problems += [f"{name}: must be an http or https URL" for name in wrong]
    secrets = tuple(part.strip() for part in values.get("SANDBOX_WEBHOOK_SECRET", "").split(",") if part.strip())
    if any(not secret.startswith("whsec_") for secret in secrets):
        problems.append("SANDBOX_WEBHOOK_SECRET: must start with whsec_")
    if "SANDBOX_WEBHOOK_URL" in values and not secrets:
        problems.append("SANDBOX_WEBHOOK_SECRET: is required beside SANDBOX_WEBHOOK_URL")
    events = tuple(part.strip() for part in values.get("SANDBOX_WEBHOOK_EVENTS", "*").split(",") if part.strip())
    if events != ("*",) and not (events and all(EVENT_TYPE.fullmatch(name) for name in events)):
        problems.append(
            "SANDBOX_WEBHOOK_EVENTS: must be event types such as charge.refunded, comma-separated, or * alone"
        )
    if "INTERNAL_SIGNING_KEY" in values and not is_signing_key(values["INTERNAL_SIGNING_KEY"]):
        problems.append("INTERNAL_SIGNING_KEY: must be a private Ed25519 key as JWK, with a kid")
    if problems:
        raise ConfigurationError(problems)
    return Settings(
        secret_key=values["SANDBOX_SECRET_KEY"],
        price_id=values["SANDBOX_PRICE_ID"],
        public_url=values.get("SANDBOX_PUBLIC_URL", default_public_url(host, port)).rstrip("/"),
        webhook_url=values.get("SANDBOX_WEBHOOK_URL"),
        webhook_secrets=secrets,
        webhook_events=events,
        gateway_url=values.get("SANDBOX_GATEWAY_URL", "").rstrip("/") or None,
        entitlement_url=values.get("SANDBOX_ENTITLEMENT_URL", "").rstrip("/") or None,
        signing_key=values.get("INTERNAL_SIGNING_KEY"),
        hosts=frozenset(name.strip().lower() for name in values.get("SANDBOX_ALLOWED_HOSTS", "").split(",")) - {""},
    )


def is_signing_key(value: str) -> bool:
    """Whether it looks like a private Ed25519 JWK with a name."""
    try:
        key = json.loads(value)
        if (key["kty"], key["crv"]) != ("OKP", "Ed25519") or not isinstance(key["kid"], str):
            return False
        return all(len(base64.urlsafe_b64decode(key[name] + "=")) == KEY_BYTES for name in ("x", "d"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def is_http_url(value: str) -> bool:
    """Whether a browser or an HTTP client could open it."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def default_public_url(host: str, port: int) -> str:
    """The listening address, as a browser on this machine writes it."""
    reachable = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - compared, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
