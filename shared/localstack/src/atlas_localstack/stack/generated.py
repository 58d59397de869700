"""Secrets, keys and ports that a stack chooses once and keeps."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from dataclasses import field as dataclass_field
from typing import Any

from atlas_localstack.servers.ports import free_port, is_free
from atlas_localstack.stack.home import Home
from atlas_operator.files import read_json, write_json
from atlas_operator.key_folder import KeyFolder

TOKEN_BYTES = 24
USABLE = range(1024, 65536)


def _token() -> str:
    # Hexadecimal: needs no quoting in a URL, in SQL or in the broker's configuration.
    return secrets.token_hex(TOKEN_BYTES)


@dataclass(frozen=True)
class Secrets:
    """Everything secret in a local stack. Readable by its owner only."""

    nextauth: str
    stripe_key: str
    stripe_webhook: str
    postgres_admin: str
    nats_routes: str
    postgres: dict[str, str]
    nats: dict[str, str]


def secrets_of(home: Home, roles: tuple[str, ...], users: tuple[str, ...]) -> Secrets:
    """The stack's secrets; missing ones are generated and saved."""
    kept = read_json(home.secrets_file)
    kept = kept if isinstance(kept, dict) else {}
    fresh = {
        "nextauth": _token(),
        "stripe_key": f"sk_test_sandbox{_token()}",
        "stripe_webhook": f"whsec_{_token()}",
        "postgres_admin": _token(),
        "nats_routes": _token(),
    }
    simple = {name: str(kept.get(name) or value) for name, value in fresh.items()}
    postgres = {role: str(kept.get("postgres", {}).get(role) or _token()) for role in roles}
    nats = {user: str(kept.get("nats", {}).get(user) or _token()) for user in users}
    found = Secrets(**simple, postgres=postgres, nats=nats)
    if asdict(found) != kept:
        write_json(home.secrets_file, asdict(found))
    return found


def keys_of(home: Home, names: Iterable[str]) -> KeyFolder:
    """The stack's keys; those that are missing are made and kept."""
    folder = KeyFolder(home.keys)
    folder.make(names)
    return folder


@dataclass(frozen=True)
class ServerPorts:
    """Where the embedded servers listen."""

    nats: int
    nats_monitor: int
    postgres: int
    prometheus: int = 0
    more: Mapping[str, int] = dataclass_field(default_factory=dict)
    """By name: the ports of further nodes, and each replica's own."""


def ports_of(home: Home, more: Iterable[str] = (), taken: Iterable[int] = ()) -> ServerPorts:
    """The ports of the last run as far as they are free, else others; they are saved. `more` are further names,
    `taken` ports that are meant for others.
    """
    kept = read_json(home.ports_file)
    kept = kept if isinstance(kept, dict) else {}
    always = [field.name for field in fields(ServerPorts) if field.name != "more"]
    names = [*always, *more]
    chosen: dict[str, int] = {f"taken {port}": port for port in taken}
    for name in names:
        port: Any = kept.get(name)
        usable = isinstance(port, int) and port in USABLE and port not in chosen.values() and is_free(port)
        chosen[name] = int(port) if usable else _unused(chosen)
    chosen = {name: chosen[name] for name in names}
    write_json(home.ports_file, chosen)
    return ServerPorts(**{name: chosen.pop(name) for name in always}, more=chosen)


def _unused(chosen: dict[str, int]) -> int:
    while (port := free_port()) in chosen.values():
        pass
    return port
