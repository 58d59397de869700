"""Every route that a service has, read off the application it builds: what a list by hand would forget."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from functools import lru_cache

from atlas_kit.process.keys import new_key
from atlas_kit.process.settings import load

BUILT = {  # package: what builds it, its settings
    "account_gateway": ("build", "GatewaySettings"),
    "checkout": ("build", "CheckoutSettings"),
    "entitlements": ("build", "EntitlementsSettings"),
    "webhook_ingest": ("build", "IngestSettings"),
}
ENVIRONMENT = {
    "INTERNAL_SIGNING_KEY": json.dumps({k: v for k, v in new_key("whoever").items() if k != "kid"}),
    "INTERNAL_TRUSTED_KEYS": '{"keys": []}',
    "NATS_URL": "nats://127.0.0.1:9",
    "NEXTAUTH_URL": "http://127.0.0.1:9",
    "NEXTAUTH_SECRET": "s" * 32,
    "ATLAS_DEV_SIGN_IN": "true",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
    "STRIPE_PRICE_PRO_LIFETIME": "price_1",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
}
HEALTH = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")}
"""Of every service; in a private network (SECURITY.md)."""


def routes_of(package: str) -> frozenset[tuple[str, str]]:
    """Method and path of each; HEAD beside GET is left out."""
    return frozenset(registered(package))


@lru_cache
def registered(package: str) -> tuple[tuple[str, str], ...]:
    """As often as each is registered.

    In a process of its own, because a metric's name may be taken once per process; -P, because this folder has modules
    that are called like services.
    """
    done = subprocess.run(
        [sys.executable, "-P", __file__, package], capture_output=True, text=True, check=True, timeout=60
    )
    return tuple((method, path) for method, path in json.loads(done.stdout))


def _routes(package: str) -> list[tuple[str, str]]:
    build, settings = BUILT[package]
    known = load(getattr(importlib.import_module(f"{package}.settings"), settings), ENVIRONMENT)
    app = getattr(importlib.import_module(f"{package}.app"), build)(known)
    while not hasattr(app, "router"):
        app = app._app
    return sorted(_listed(app.router.routes))


def _listed(routes):
    for route in routes:
        if inner := getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None):
            yield from _listed(inner)
            continue
        for method in route.methods or ():
            if method != "HEAD":
                yield method, route.path


if __name__ == "__main__":
    print(json.dumps(_routes(sys.argv[1])))
