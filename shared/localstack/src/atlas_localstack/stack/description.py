"""What `stack.json` says of a running stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atlas_localstack.stack import configuration, primary, roles
from atlas_localstack.stack.home import Home
from atlas_localstack.stack.plan import DESK, PROMETHEUS, READER, SANDBOX, SERVICES, WEBHOOK_PATH, Plan
from atlas_localstack.stack.topology import all_of
from atlas_operator.files import read_json


def sign_in_link(home: Home) -> str | None:
    """The link that signs in at the support desk once; None before it has started, or behind a proxy."""
    told = read_json(home.desk_link_file)
    return str(told["sign_in_url"]) if isinstance(told, dict) and "sign_in_url" in told else None


def describe(plan: Plan, pids: Mapping[str, int | None]) -> dict[str, Any]:
    """The content of `stack.json`; its names are fixed by CONTRACT.md."""
    nextauth_secret = configuration.first(plan.given.get("NEXTAUTH_SECRET", plan.secrets.nextauth))
    sandbox = {
        "url": plan.url(SANDBOX),
        "pid": pids.get(SANDBOX),
        "secret_key": plan.stripe.secret_key,
        "price_id": plan.stripe.price_id,
    }
    desk = {"url": plan.url(DESK), "pid": pids.get(DESK), "sign_in_url": sign_in_link(plan.home)}
    return {
        "services": {name: {"url": plan.url(name), **_pids(plan, name, pids)} for name in SERVICES},
        **({"sandbox": sandbox} if plan.stripe.sandbox else {}),
        **({"desk": desk} if plan.desk else {}),
        **({PROMETHEUS: {"url": plan.prometheus_url, "pid": pids.get(PROMETHEUS)}} if plan.observe else {}),
        "webhook": {
            "url": plan.url("webhook-ingest") + WEBHOOK_PATH,
            "secret": configuration.first(plan.stripe.webhook_secret),
        },
        "nats": {
            "url": plan.nats_url("admin"),
            "pid": pids.get("nats"),
            "observer": {"url": plan.nats_url("observer")},
            **_nodes(plan, pids),
        },
        "postgres": {
            **_databases(plan, pids),
            "databases": {name: plan.dsn(name, roles.service(name)) for name in roles.DATABASES},
        },
        "auth": {
            "strategy": plan.given.get("NEXTAUTH_SESSION_STRATEGY", "jwt"),
            "nextauth_secret": nextauth_secret,
            "cookie": "__Secure-next-auth.session-token" if plan.https else "next-auth.session-token",
            "reader": {"issuer": READER, "signing_key": plan.signing_key(READER)},
        },
        "nextauth_url": plan.public_url,
    }


def _pids(plan: Plan, service: str, pids: Mapping[str, int | None]) -> dict[str, Any]:
    """A service's process, and where more than one process of anything was asked for, each replica's."""
    replicas = [{"pid": pids.get(name)} for name in all_of(service, plan.topology.replicas)]
    return {"pid": pids.get(service), **({} if plan.topology.is_default else {"replicas": replicas})}


def _nodes(plan: Plan, pids: Mapping[str, int | None]) -> dict[str, Any]:
    nodes = all_of("nats", plan.topology.brokers)
    told = [{"url": plan.node_url(name, "admin"), "pid": pids.get(name)} for name in nodes]
    return {} if plan.topology.is_default else {"nodes": told}


def _databases(plan: Plan, pids: Mapping[str, int | None]) -> dict[str, Any]:
    if not plan.topology.standby:
        return {"pid": pids.get("postgres")}
    return {"pid": pids.get(primary.name(plan.home)), "standby": {"pid": pids.get(primary.other(plan.home))}}
