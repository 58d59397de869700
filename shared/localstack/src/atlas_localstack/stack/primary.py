"""Which of a stack's two Postgres servers is the primary. It is kept with the data: a promotion outlasts a restart."""

from __future__ import annotations

from atlas_localstack.stack.home import Home
from atlas_operator.files import read_json, write_json

SERVERS = ("postgres", "postgres-2")


def name(home: Home) -> str:
    """The primary's name: the first server, until the other one is promoted."""
    kept = read_json(home.primary_file)
    return SERVERS[1] if isinstance(kept, dict) and kept.get("primary") == SERVERS[1] else SERVERS[0]


def other(home: Home) -> str:
    """The name of the server that is not the primary."""
    return SERVERS[0] if name(home) == SERVERS[1] else SERVERS[1]


def set_to(home: Home, server: str) -> None:
    """Make this server the primary, now and at every start."""
    write_json(home.primary_file, {"primary": server})
