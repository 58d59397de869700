"""Fixtures: a broker and databases for a test, in containers where a Docker engine answers, else embedded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from support import docker
from support.containers import container_nats, container_postgres, delete_streams
from support.embedded import embedded_nats, embedded_postgres


class Postgres(Protocol):
    def create_database(self, template: str = ...) -> str: ...


@pytest.fixture(scope="session")
def _container_nats_url() -> Iterator[str]:
    with container_nats() as url:
        yield url


@pytest.fixture
def nats_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A broker without any stream, this test's own; no credentials."""
    if docker.wanted():
        url: str = request.getfixturevalue("_container_nats_url")
        delete_streams(url)
        yield url
    else:
        with embedded_nats() as url:
            yield url


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A database server, one for the session."""
    with container_postgres() if docker.wanted() else embedded_postgres() as server:
        yield server


@pytest.fixture
def postgres_dsn(postgres: Postgres) -> str:
    """A fresh, empty database: `postgresql://user:password@host:port/name`, as a superuser."""
    return postgres.create_database()


@pytest.fixture
def new_database(postgres: Postgres) -> Callable[[], str]:
    """For a test that needs several fresh databases: each call gives the DSN of one more."""
    return postgres.create_database
