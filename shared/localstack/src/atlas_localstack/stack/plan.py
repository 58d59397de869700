"""The plan of one stack, made before anything starts: addresses, credentials, and every part's environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from atlas_contracts.issuers import APP, OPERATOR
from atlas_localstack.servers.binaries import PostgresInstall
from atlas_localstack.servers.database import Cluster
from atlas_localstack.servers.ports import LOOPBACK
from atlas_localstack.stack import configuration, permissions, primary, roles
from atlas_localstack.stack.generated import Secrets, ServerPorts
from atlas_localstack.stack.home import Home
from atlas_localstack.stack.topology import Topology, all_of, kind_of, number_of, numbered
from atlas_operator.key_folder import KeyFolder, as_setting
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES

SERVICES = ("account-gateway", "webhook-ingest", "checkout", "entitlements")
SANDBOX = "sandbox"
DESK = "desk"
PROMETHEUS = "prometheus"
PARTS = ("nats", "postgres", SANDBOX, *SERVICES, DESK)
MODULES = {
    "account-gateway": "account_gateway",
    "webhook-ingest": "webhook_ingest",
    "checkout": "checkout",
    "entitlements": "entitlements",
    SANDBOX: "stripe_sandbox",
    DESK: "atlas_operator.desk",
}
OFFSETS = {"account-gateway": 0, "webhook-ingest": 1, "checkout": 2, "entitlements": 3, SANDBOX: 4, DESK: 5}
BROKER_USERS = {
    "account-gateway": "gateway",
    "webhook-ingest": "ingest",
    "checkout": "checkout",
    "entitlements": "entitlements",
}
READER, SANDBOX_READER = "atlas-reader", "stripe-sandbox"
"""Services that are no part of the product, and may ask who is Pro: one for tests and for trying, and the sandbox."""
SIGNERS = (*SERVICES, OPERATOR, APP, READER, SANDBOX_READER)
"""Everybody who has a key here."""
WEBHOOK_PATH = "/api/billing/stripe/webhook"


@dataclass(frozen=True)
class Plan:
    """Everything that is fixed for one run."""

    home: Home
    port_base: int
    ports: ServerPorts
    secrets: Secrets
    keys: KeyFolder
    stripe: configuration.Stripe
    given: Mapping[str, str]
    observe: bool = False
    """Whether a Prometheus watches the stack."""
    desk: bool = True
    """Whether the support desk is started."""
    topology: Topology = field(default_factory=Topology)

    @property
    def parts(self) -> tuple[str, ...]:
        """What is started, in the order in which it is shown."""
        wanted = {SANDBOX: self.stripe.sandbox, DESK: self.desk}
        started = tuple(part for part in PARTS if wanted.get(part, True))
        return tuple(name for kind in started for name in all_of(kind, self.count(kind))) + (
            (PROMETHEUS,) if self.observe else ()
        )

    def count(self, kind: str) -> int:
        """How many processes there are of one kind."""
        return count_of(self.topology, kind)

    def port(self, part: str) -> int:
        """The HTTP port of a service or of the sandbox; a service's replicas share it."""
        return self.port_base + OFFSETS[kind_of(part)]

    def own_port(self, replica: str) -> int:
        """The port on which one of several replicas of a service alone answers, for its health and its figures."""
        return self.ports.more[own_port_name(replica)]

    def url(self, part: str) -> str:
        """The address of a service or of the sandbox."""
        return f"http://{LOOPBACK}:{self.port(part)}"

    @property
    def public_url(self) -> str:
        """The address of the product for a browser."""
        return self.given.get("NEXTAUTH_URL", self.url("account-gateway")).rstrip("/")

    @property
    def https(self) -> bool:
        return self.public_url.lower().startswith("https:")

    def signing_key(self, name: str) -> dict[str, Any]:
        """The private key of a service, of the operator or of a reader; read anew, it may have been exchanged."""
        return self.keys.signing_key(name)

    def identity(self, name: str) -> dict[str, str]:
        """What makes a service known to the others: its own private key and all public ones, the user's with them."""
        trusted = [as_setting(self.keys.trusted()), self.given.get("INTERNAL_TRUSTED_KEYS", "")]
        return {
            "INTERNAL_SIGNING_KEY": as_setting(self.signing_key(name)),
            "INTERNAL_TRUSTED_KEYS": " ".join(trusted).strip(),
        }

    def nats_url(self, user: str) -> str:
        """The broker's URL with a user's credentials; of a cluster, the URLs of all nodes, comma-separated."""
        return ",".join(self.node_url(node, user) for node in all_of("nats", self.topology.brokers))

    def node_url(self, node: str, user: str) -> str:
        """The URL of one node of the broker's cluster."""
        return f"nats://{user}:{self.secrets.nats[user]}@{LOOPBACK}:{self.server_port('nats', number_of(node))}"

    def server_port(self, name: str, number: int) -> int:
        """Where the server with this number listens: `name` is `nats`, `nats_monitor`, `nats_route` or `postgres`."""
        more = self.ports.more.get(numbered(name, number))
        return int(getattr(self.ports, name)) if more is None else more

    @property
    def prometheus_url(self) -> str:
        """The address of the stack's Prometheus, where there is one."""
        return f"http://{LOOPBACK}:{self.ports.prometheus}"

    def cluster(self, install: PostgresInstall, server: str = "postgres") -> Cluster:
        """One of the embedded Postgres servers. Where there is one only, it has the data of the last primary."""
        port = self.server_port("postgres", number_of(server))
        data = self.home.cluster(server if self.topology.standby else primary.name(self.home))
        return Cluster(install, data, port, self.secrets.postgres_admin)

    def dsn(self, database: str, role: str) -> str:
        """A database's URL with a role's credentials; with a standby it names both servers: either may be primary."""
        servers = all_of("postgres", self.count("postgres"))
        hosts = ",".join(f"{LOOPBACK}:{self.server_port('postgres', number_of(server))}" for server in servers)
        primary_only = "?target_session_attrs=read-write" if self.topology.standby else ""
        return f"postgresql://{role}:{self.secrets.postgres[role]}@{hosts}/{database}{primary_only}"


def environment(plan: Plan, part: str) -> dict[str, str]:
    """All environment variables of one part: those it needs and those the user set for it, no others."""
    machine = configuration.of_machine(plan.given)
    decided = {"HOST": LOOPBACK, "PORT": str(plan.port(part))}
    if part == SANDBOX:
        return {**machine, **decided, **_sandbox(plan)}
    if part == DESK:
        return {**machine, **configuration.of_user(DESK, plan.given), **decided, **_desk(plan)}
    part = kind_of(part)
    user = BROKER_USERS[part]
    broker = {"NATS_URL": plan.nats_url(user), "NATS_INBOX_PREFIX": permissions.inbox(user), **_copies(plan)}
    # The stack's own addresses override the user's values, and the user's values override the defaults.
    return {
        **machine,
        **_defaults(plan, part),
        **configuration.of_user(part, plan.given),
        **decided,
        **broker,
        **plan.identity(part),
        **_wiring(plan, part),
    }


def keeper_environment(plan: Plan) -> dict[str, str]:
    """All environment variables of the program that gives the streams their retention and makes the mirrors."""
    machine = configuration.of_machine(plan.given)
    urls = {"NATS_ADMIN_URL": plan.nats_url("keeper"), "NATS_READERS_ADMIN_URL": plan.nats_url("mirrors")}
    return {**machine, **configuration.retention(plan.given), **urls, **_copies(plan)}


def _copies(plan: Plan) -> dict[str, str]:
    """How many nodes of a cluster store each stream, each bucket and each consumer's position."""
    return {"NATS_STREAM_REPLICAS": str(plan.topology.brokers)} if plan.topology.brokers > 1 else {}


def _defaults(plan: Plan, part: str) -> dict[str, str]:
    stripe = {"STRIPE_SECRET_KEY": plan.stripe.secret_key}
    return {
        "account-gateway": {
            "NEXTAUTH_SECRET": plan.secrets.nextauth,
            "NEXTAUTH_URL": plan.public_url,
            "NEXTAUTH_SESSION_STRATEGY": "jwt",
            **({} if plan.https else {"ATLAS_DEV_SIGN_IN": "true"}),
        },
        "webhook-ingest": {**stripe, "STRIPE_WEBHOOK_SECRET": plan.stripe.webhook_secret},
        "checkout": {**stripe, "STRIPE_PRICE_PRO_LIFETIME": plan.stripe.price_id, "NEXTAUTH_URL": plan.public_url},
        "entitlements": {},
    }[part]


def _wiring(plan: Plan, part: str) -> dict[str, str]:
    stripe = {"STRIPE_API_BASE": plan.url(SANDBOX)} if plan.stripe.sandbox else {}
    checkout, entitlements = {"CHECKOUT_URL": plan.url("checkout")}, {"ENTITLEMENTS_URL": plan.url("entitlements")}
    ingest = {"WEBHOOK_INGEST_URL": plan.url("webhook-ingest")}
    return {
        "account-gateway": {**checkout, **entitlements},
        "webhook-ingest": {**stripe, **checkout, **entitlements},
        "checkout": {**stripe, **entitlements, **ingest, **_database(plan, "checkout")},
        "entitlements": {**checkout, **_database(plan, "entitlements"), **_readers(plan)},
    }[part]


def _database(plan: Plan, name: str) -> dict[str, str]:
    return {
        "DATABASE_URL": plan.dsn(name, roles.service(name)),
        "DATABASE_MIGRATION_URL": plan.dsn(name, roles.owner(name)),
    }


def _readers(plan: Plan) -> dict[str, str]:
    """Who may ask who is Pro: the stack's own reader, the sandbox where there is one, and whom the user admits."""
    own = (READER, *((SANDBOX_READER,) if plan.stripe.sandbox else ()))
    return {"INTERNAL_READERS": ",".join(filter(None, (*own, plan.given.get("INTERNAL_READERS"))))}


def _sandbox(plan: Plan) -> dict[str, str]:
    return {
        "SANDBOX_SECRET_KEY": plan.stripe.secret_key,
        "SANDBOX_PRICE_ID": plan.stripe.price_id,
        "SANDBOX_PUBLIC_URL": plan.url(SANDBOX),
        "SANDBOX_WEBHOOK_URL": plan.url("webhook-ingest") + WEBHOOK_PATH,
        "SANDBOX_WEBHOOK_SECRET": plan.stripe.webhook_secret,
        "SANDBOX_WEBHOOK_EVENTS": ",".join(SUPPORTED_EVENT_TYPES),
        "SANDBOX_GATEWAY_URL": plan.public_url,
        "SANDBOX_ENTITLEMENT_URL": plan.url("entitlements"),
        "INTERNAL_SIGNING_KEY": as_setting(plan.signing_key(SANDBOX_READER)),
    }


def _desk(plan: Plan) -> dict[str, str]:
    """It finds services and the operator's key in this stack's folder, as the command line does."""
    return {
        "ATLAS_HOME": str(plan.home.path),
        "DESK_URL": plan.given.get("DESK_URL", plan.url(DESK)),
        "DESK_LINK_FILE": str(plan.home.desk_link_file),
    }


def count_of(topology: Topology, kind: str) -> int:
    """How many processes there are of one kind."""
    if kind in SERVICES:
        return topology.replicas
    return {"nats": topology.brokers, "postgres": 1 + topology.standby}.get(kind, 1)


def own_port_name(replica: str) -> str:
    """Under which name `ports.json` has the port on which one replica alone answers."""
    return f"{kind_of(replica)}_replica-{number_of(replica)}"


def further_ports(topology: Topology) -> list[str]:
    """The names of the ports that more than one process of a kind need: further nodes', and each replica's own."""
    nodes = all_of("nats", topology.brokers)[1:] + all_of("nats_monitor", topology.brokers)[1:]
    routes = all_of("nats_route", topology.brokers) if topology.brokers > 1 else []
    replicas = [own_port_name(name) for kind in SERVICES for name in all_of(kind, topology.replicas)]
    second = [primary.SERVERS[1]] if topology.standby else []
    return [*nodes, *routes, *second, *(replicas if topology.replicas > 1 else [])]
