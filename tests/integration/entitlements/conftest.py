"""Databases of the entitlements service."""

from __future__ import annotations

import pytest

from atlas_kit.storage import migrations
from support.servers import Postgres


@pytest.fixture(scope="session")
def _migrated(postgres: Postgres) -> str:
    dsn = postgres.create_database()
    migrations.upgrade(dsn, "entitlements")
    return dsn.rpartition("/")[2]


@pytest.fixture
def postgres_dsn(postgres: Postgres, _migrated: str) -> str:
    """A fresh database with the service's tables in it: migrating one is a third of the work of a service's start."""
    return postgres.create_database(_migrated)
