"""Databases: reachable, migrated, and their roles no stronger than they need to be."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from atlas_kit.storage import migrations
from atlas_operator.doctor.finding import Report


def look(databases: Mapping[str, str]) -> Report:
    """Each service's database, through its own role."""
    report = Report("databases")
    for package, dsn in databases.items():
        try:
            _database(report, package, dsn)
        except psycopg.OperationalError as error:
            first = str(error).splitlines()[0]
            report.error(f"{package}: {first}", "Start the database, or check the address and the role.")
    return report


def _database(report: Report, package: str, dsn: str) -> None:
    at, head = migrations.current(dsn), _head(package)
    if at is None:
        report.error(f"{package}: never migrated", f"python -m {package} migrate")
    elif head is None:
        report.ok(f"{package}: migrated to {at}; the service's readiness says whether that is far enough")
    elif at > head:
        report.warning(f"{package}: at {at}, newer than this code ({head})", "Update this checkout.")
    elif at < head:
        report.error(f"{package}: at {at}, the code needs {head}", f"python -m {package} migrate")
    else:
        report.ok(f"{package}: migrated to {head}")
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        if row and row[0]:
            report.warning(f"{package}: its role is a superuser", "Give the service a role of its own (SECURITY.md).")
        if package == "entitlements":
            _ledger(report, connection)


def _head(package: str) -> str | None:
    """The newest revision that the service's code brings; None in the operator's image, which holds no service."""
    try:
        return migrations.head(package)
    except ModuleNotFoundError:
        return None


def _ledger(report: Report, connection: psycopg.Connection) -> None:
    row = connection.execute(
        "SELECT has_table_privilege(to_regclass('ledger'), 'UPDATE, DELETE, TRUNCATE')"
        " WHERE to_regclass('ledger') IS NOT NULL"
    ).fetchone()
    if row is None:
        return
    if row[0]:
        report.warning(
            "entitlements: its role may change the ledger; only a trigger stops it",
            "Use an owner role for migrations (DATABASE_MIGRATION_URL) and another one for the service.",
        )
    else:
        report.ok("entitlements: the ledger is append-only for the service's role")
