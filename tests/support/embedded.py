"""Real servers for one test or one session, from the same binaries as the local stack's."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from atlas_localstack.servers import binaries, broker, database
from atlas_localstack.servers.ports import LOOPBACK, free_port


@contextlib.contextmanager
def embedded_nats(accounts: str = "", *, port: int | None = None, store: Path | None = None) -> Iterator[str]:
    """A fresh nats-server with JetStream, `sync_interval: always`; gives its URL.

    `accounts` is a block of the server's configuration; without one there are no credentials. `store` (kept) and `port` let a test
    stop a server and start it again.
    """
    with _temporary("atlas-nats-") as home:
        settings = broker.BrokerSettings(port or free_port(), free_port(), store or home / "store", accounts)
        config, log = home / "nats.conf", home / "nats.log"
        config.write_text(broker.configuration(settings))
        with log.open("ab") as sink:
            process = broker.start(config, sink)
        try:
            broker.wait_until_ready(process, settings, log)
            yield f"nats://{LOOPBACK}:{settings.port}"
        finally:
            broker.shut_down(process)


@dataclass
class EmbeddedPostgres:
    """A running cluster; every database asked of it is fresh."""

    cluster: database.Cluster
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def create_database(self, template: str = "template1") -> str:
        """A new database, empty or a copy of another one to which nobody is connected; returns its DSN, as a superuser."""
        name = f"test_{next(self._numbers)}"
        database.execute(self.cluster, f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.cluster.dsn(name)


@contextlib.contextmanager
def embedded_postgres(*, durable: bool = False) -> Iterator[EmbeddedPostgres]:
    """A fresh Postgres 16 cluster; not `durable`: without fsync, as nothing here has to survive a power cut."""
    with _temporary("atlas-postgres-") as home:
        cluster = database.Cluster(binaries.postgres(), home / "data", free_port(), secrets.token_hex(16))
        database.create(cluster)
        log = home / "postgres.log"
        with log.open("ab") as sink:
            process = database.start(cluster, sink, {} if durable else database.FORGETFUL)
        try:
            database.wait_until_ready(process, cluster, log)
            yield EmbeddedPostgres(cluster)
        finally:
            database.shut_down(process)


@contextlib.contextmanager
def _temporary(prefix: str) -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix=prefix))
    home.chmod(0o755)  # Postgres, run as another user when we are root, has to get in
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
