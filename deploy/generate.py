"""Writes the containers' configuration from the rules that the local stack uses too.

`python deploy/generate.py` writes the broker's files (one node, a node of a cluster, the same for Kubernetes),
`postgres/10-roles.sql` and `sandbox/events.env`; a test fails when they are out of date. They contain no passwords: the
broker and psql read those from their environment.
"""

from __future__ import annotations

from pathlib import Path

from atlas_localstack.stack import permissions, roles
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES

HERE = Path(__file__).resolve().parent
GENERATED = "Written by deploy/generate.py: change the rules there, or in shared/localstack/src/atlas_localstack/stack."


def broker_password(user: str) -> str:
    """The environment variable with a broker user's password."""
    return f"NATS_PASSWORD_{user.upper()}"


def role_password(role: str) -> str:
    """The environment variable with a database role's password."""
    return f"{role.upper()}_PASSWORD"


def nats_conf() -> str:
    """The broker's configuration: JetStream, every acknowledged message on the disk, our account and the readers', one
    user per service.
    """
    return _nats("atlas-nats", "")


def nats_cluster_conf() -> str:
    """The same for each node of a cluster. What differs between nodes comes from their environment: `NATS_NAME`, and
    `NATS_ROUTES`, the list of all nodes' URLs with the nodes' own password.
    """
    return _nats("$NATS_NAME", CLUSTER)


CLUSTER = """\
cluster {
  name: atlas
  listen: "0.0.0.0:6222"
  authorization { user: route, password: $NATS_PASSWORD_ROUTE, timeout: 2 }
  routes: $NATS_ROUTES
  # Clients are given all nodes' addresses, and need not be told of those that only nodes can reach.
  no_advertise: true
}
"""


def _nats(name: str, cluster: str) -> str:
    accounts = permissions.accounts({user: f"<{user}>" for user in permissions.GRANTS})
    for user in permissions.GRANTS:
        accounts = accounts.replace(f'"<{user}>"', f"${broker_password(user)}")
    return f"""\
# {GENERATED}
server_name: {name}
listen: "0.0.0.0:4222"
# For the health check alone: the port isn't published.
http: "127.0.0.1:8222"
max_payload: 1MB
jetstream {{
  store_dir: "/data"
  # An acknowledged message is on the disk, not in a cache that a power cut takes away.
  sync_interval: always
  # A request with fields that it doesn't have is refused: so no answer of the broker can pass for a request.
  strict: true
  max_memory_store: 64MB
}}
{cluster}{accounts}"""


def roles_sql() -> str:
    """The psql script that makes databases and roles in a new cluster."""
    script = roles.provision({role: f"<{role}>" for role in roles.ROLES})
    for role in roles.ROLES:
        script = script.replace(f"'<{role}>'", f":'{role}'")
    passwords = "".join(f"\\getenv {role} {role_password(role)}\n" for role in roles.ROLES)
    return f"-- {GENERATED}\n{passwords}{script}"


def events_env() -> str:
    """The event types that the sandbox's endpoint gets: those that webhook-ingest handles. The sandbox knows no list of
    its own.
    """
    written = "# Written by deploy/generate.py from shared/stripe/src/atlas_stripe/mapping.py."
    return f"{written}\nSANDBOX_WEBHOOK_EVENTS={','.join(SUPPORTED_EVENT_TYPES)}\n"


FILES = {
    HERE / "nats.conf": nats_conf,
    HERE / "nats.cluster.conf": nats_cluster_conf,
    HERE / "kubernetes" / "nats.conf": nats_cluster_conf,
    HERE / "postgres" / "10-roles.sql": roles_sql,
    HERE / "sandbox" / "events.env": events_env,
}


def main() -> None:
    for path, content in FILES.items():
        path.write_text(content())


if __name__ == "__main__":
    main()
