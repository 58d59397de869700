"""The same servers as containers, by testcontainers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import nats
import psycopg

START_SECONDS = 120
"""How long a container may take to start: a busy machine needs more than half a minute for Postgres."""


@dataclass
class ContainerPostgres:
    """A Postgres container; every database asked of it is fresh."""

    admin_dsn: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def create_database(self, template: str = "template1") -> str:
        """A new database, empty or a copy of another one to which nobody is connected; returns its DSN, as a superuser."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.admin_dsn.rpartition("/")[0] + f"/{name}"


@contextlib.contextmanager
def container_postgres(image: str = "postgres:17") -> Iterator[ContainerPostgres]:
    """A Postgres container."""
    from testcontainers.community.postgres import PostgresContainer

    _wait_long_enough()
    container = PostgresContainer(image, username="atlas_admin", driver=None)
    # Throw-away: nothing here has to survive a power cut.
    container.with_env("POSTGRES_INITDB_ARGS", "--no-sync")
    container.with_command("postgres -c fsync=off -c synchronous_commit=off -c full_page_writes=off")
    with container:
        yield ContainerPostgres(container.get_connection_url())


@contextlib.contextmanager
def container_nats(image: str = "nats:2.15") -> Iterator[str]:
    """A NATS container with JetStream; gives its URL."""
    from testcontainers.community.nats import NatsContainer

    _wait_long_enough()
    with NatsContainer(image).with_command("-js -m 8222") as container:
        yield container.nats_uri()


def _wait_long_enough() -> None:
    """Testcontainers gives up after so many tries: with TC_POOLING_INTERVAL=0.1 after 12 s, too soon for a busy machine."""
    from testcontainers.core.config import testcontainers_config

    testcontainers_config.max_tries = math.ceil(START_SECONDS / testcontainers_config.sleep_time)


def delete_streams(url: str) -> None:
    """Make a broker that several tests share as good as new."""

    async def wipe() -> None:
        connection = await nats.connect(url)
        try:
            broker = connection.jetstream()
            for stream in await broker.streams_info():
                assert stream.config.name
                await broker.delete_stream(stream.config.name)
        finally:
            await connection.close()

    asyncio.run(wipe())
