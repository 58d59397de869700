"""An owner that migrates and a service role that works: tried against a real server."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from atlas_localstack.servers import database
from atlas_localstack.stack import roles
from support.embedded import embedded_postgres

PASSWORDS = {role: f"password{number}" for number, role in enumerate(roles.ROLES)}


@pytest.fixture(scope="module")
def cluster() -> Iterator[database.Cluster]:
    with embedded_postgres() as server:
        database.execute(server.cluster, roles.provision(PASSWORDS))
        with connected(server.cluster, "checkout", "checkout_owner") as owner:
            owner.execute("CREATE TABLE things (id serial PRIMARY KEY, name text)")
        yield server.cluster


def connected(cluster: database.Cluster, name: str, role: str) -> psycopg.Connection:
    return psycopg.connect(cluster.dsn(name, role, PASSWORDS[role]))


def test_the_service_works_with_rows_that_the_owners_tables_hold(cluster: database.Cluster) -> None:
    with connected(cluster, "checkout", "checkout_service") as service:
        service.execute("INSERT INTO things (name) VALUES ('one')")
        service.execute("UPDATE things SET name = 'two'")
        service.execute("DELETE FROM things")


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE mine (id int)", "TRUNCATE things", "DROP TABLE things", "ALTER TABLE things ADD x int"]
)
def test_the_service_cannot_change_the_schema(cluster: database.Cluster, statement: str) -> None:
    with (
        connected(cluster, "checkout", "checkout_service") as service,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        service.execute(statement)


@pytest.mark.parametrize("role", ["checkout_owner", "checkout_service"])
def test_nobody_enters_anothers_database(cluster: database.Cluster, role: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connected(cluster, "entitlements", role)


def test_a_wrong_password_is_refused(cluster: database.Cluster) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.dsn("checkout", "checkout_service", "wrong"))


def test_provisioning_again_changes_nothing_and_sets_new_passwords(cluster: database.Cluster) -> None:
    database.execute(cluster, roles.provision(PASSWORDS))
    database.execute(cluster, roles.provision({**PASSWORDS, "entitlements_owner": "new"}))
    with psycopg.connect(cluster.dsn("entitlements", "entitlements_owner", "new")) as owner:
        assert owner.execute("SELECT 1").fetchone() == (1,)
