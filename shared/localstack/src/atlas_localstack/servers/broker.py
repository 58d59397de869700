"""An embedded NATS server with JetStream on disk."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from atlas_localstack.servers import binaries
from atlas_localstack.servers.errors import ServerError
from atlas_localstack.servers.ports import LOOPBACK
from atlas_localstack.servers.process import spawn, stop, tail

START_SECONDS = 15.0
STOP_SECONDS = 10.0
ROUTE_USER = "route"
"""Whom the nodes of a cluster take each other for."""


@dataclass(frozen=True)
class Routes:
    """How a server finds the other nodes of its cluster: its own port for them, all nodes' ports, their password."""

    port: int
    ports: tuple[int, ...]
    password: str


@dataclass(frozen=True)
class BrokerSettings:
    """Where a server listens and keeps its streams; `accounts` is a block of its configuration language."""

    port: int
    monitor_port: int
    store: Path
    accounts: str = ""
    name: str = "atlas-dev"
    routes: Routes | None = None


def configuration(settings: BrokerSettings) -> str:
    """The configuration file. `sync_interval: always`: an acknowledged message is on the disk (FACTS). `strict`: a
    request with fields that it doesn't have is refused (see `stack.permissions`).
    """
    return f"""\
server_name: {settings.name}
listen: "{LOOPBACK}:{settings.port}"
http: "{LOOPBACK}:{settings.monitor_port}"
max_payload: 1MB
jetstream {{
  store_dir: {json.dumps(str(settings.store))}
  sync_interval: always
  strict: true
  max_memory_store: 64MB
  max_file_store: 64GB
}}
{_cluster(settings.routes) if settings.routes else ""}{settings.accounts}"""


def _cluster(routes: Routes) -> str:
    """`no_advertise`: clients are given all nodes' URLs, and need not be told of addresses that they may not reach."""
    others = [f"nats-route://{ROUTE_USER}:{routes.password}@{LOOPBACK}:{port}" for port in routes.ports]
    return f"""\
cluster {{
  name: atlas
  listen: "{LOOPBACK}:{routes.port}"
  authorization {{ user: {ROUTE_USER}, password: {json.dumps(routes.password)}, timeout: 2 }}
  routes: {json.dumps(others)}
  no_advertise: true
}}
"""


def adopt_store(store: Path, account: str) -> None:
    """Give the streams that an earlier version kept without accounts to `account`. The server must not run."""
    without, ours = store / "jetstream" / "$G", store / "jetstream" / account
    if without.is_dir() and not ours.exists():
        without.rename(ours)


def start(config: Path, log: IO[Any]) -> subprocess.Popen[bytes]:
    """Start the server from its configuration file."""
    # SIGTERM, not SIGKILL, when we die: it then closes its files in order.
    return spawn([binaries.nats_server(), "-c", config], env={}, log=log, death_signal=signal.SIGTERM)


def is_ready(monitor_port: int) -> bool:
    """Whether JetStream is up, not only the socket."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{monitor_port}/healthz", timeout=1) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def wait_until_ready(process: subprocess.Popen[bytes], settings: BrokerSettings, log: Path) -> None:
    """Return when the server answers; raise ServerError when it exits or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not is_ready(settings.monitor_port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerError("The embedded NATS server did not start.", "The end of its log:", tail(log, 10))
        time.sleep(0.01)


def shut_down(process: subprocess.Popen[bytes]) -> None:
    """Stop the server in order, so that it syncs and closes its files; kill it after STOP_SECONDS."""
    stop(process, signal.SIGTERM, STOP_SECONDS)
