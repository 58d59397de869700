"""The addresses and keys for the doctor: of the running local stack, or from the environment of another system."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from atlas_contracts.streams import STATE, STREAMS, StreamSpec
from atlas_kit.process.settings import RetentionSettings, load
from atlas_operator.errors import NoTarget
from atlas_operator.local import environment, running_stack
from atlas_operator.mirrors import KeeperUrls, copies, keepers
from atlas_operator.target import Target

# The variable that names each service's database in production.
DATABASES = {"entitlements": "ENTITLEMENTS_DATABASE_URL", "checkout": "CHECKOUT_DATABASE_URL"}


@dataclass(frozen=True)
class Patient:
    """Addresses and keys for the checks. Where one is None, the doctor reports that area as not checked."""

    target: Target
    nats_url: str | None
    nats_monitor_url: str | None
    databases: Mapping[str, str]
    stripe_key: str | None
    stripe_api_base: str | None
    sandbox_url: str | None
    """The local stack's stand-in for Stripe, where it has one."""
    price_id: str | None
    portal_configuration: str | None
    webhook_url: str | None
    webhook_secret: str | None
    replicas: int
    keepers: KeeperUrls
    """Credentials that may update streams and make mirrors."""
    streams: tuple[StreamSpec, ...]
    """Every stream, with the retention that is configured for it; the state bucket has none."""
    ignored: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Retentions of this shell that the local stack was not started with, and those that it was: in days."""


def examine(target: Target) -> Patient:
    """Collect the addresses and keys of the system that `target` is. Raises ConfigurationError."""
    given = environment(os.environ)
    return _local(target, given) if target.local else _production(target, given)


def _local(target: Target, given: Mapping[str, str]) -> Patient:
    running = running_stack(given)
    if running is None:
        raise NoTarget("The local stack has stopped in the meantime. Start it with ./atlas up.")
    # `up` decided; a value of this shell changes nothing, which is said, and a bad one is refused here as everywhere.
    told, kept = (load(RetentionSettings, dict(each)) for each in (given, running.operator.get("retention", {})))
    stack, ports = running.stack, running.ports
    sandbox = stack.get("sandbox")
    return Patient(
        target=target,
        nats_url=stack["nats"]["url"],
        nats_monitor_url=f"http://127.0.0.1:{ports['nats_monitor']}",
        databases=stack["postgres"]["databases"],
        stripe_key=sandbox["secret_key"] if sandbox else given.get("STRIPE_SECRET_KEY"),
        stripe_api_base=sandbox["url"] if sandbox else given.get("STRIPE_API_BASE"),
        sandbox_url=sandbox["url"] if sandbox else None,
        price_id=sandbox["price_id"] if sandbox else given.get("STRIPE_PRICE_PRO_LIFETIME"),
        portal_configuration=given.get("STRIPE_BILLING_PORTAL_CONFIGURATION_ID"),
        webhook_url=stack["webhook"]["url"] if sandbox else given.get("WEBHOOK_PUBLIC_URL"),
        webhook_secret=stack["webhook"]["secret"],
        replicas=copies(target, given),
        keepers=keepers(target, given),
        streams=kept.kept(*STREAMS, STATE),
        ignored={
            name.upper(): (getattr(told, name), getattr(kept, name))
            for name in RetentionSettings.model_fields
            if name.upper() in given and getattr(told, name) != getattr(kept, name)
        },
    )


def _production(target: Target, given: Mapping[str, str]) -> Patient:
    return Patient(
        target=target,
        nats_url=given.get("NATS_URL"),
        nats_monitor_url=given.get("NATS_MONITOR_URL"),
        databases={name: given[variable] for name, variable in DATABASES.items() if variable in given},
        stripe_key=given.get("STRIPE_SECRET_KEY"),
        stripe_api_base=given.get("STRIPE_API_BASE"),
        sandbox_url=None,
        price_id=given.get("STRIPE_PRICE_PRO_LIFETIME"),
        portal_configuration=given.get("STRIPE_BILLING_PORTAL_CONFIGURATION_ID"),
        webhook_url=given.get("WEBHOOK_PUBLIC_URL"),
        webhook_secret=given.get("STRIPE_WEBHOOK_SECRET"),
        replicas=copies(target, given),
        keepers=keepers(target, given),
        streams=_streams(given),
    )


def _streams(given: Mapping[str, str]) -> tuple[StreamSpec, ...]:
    return load(RetentionSettings, dict(given)).kept(*STREAMS, STATE)
