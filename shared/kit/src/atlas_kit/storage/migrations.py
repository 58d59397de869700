"""Database migrations with alembic: one process at a time, with time limits.

A service's migrations are in ``<package>/migrations/versions``. A revision's id is its file's name, which begins with a
date (``20261123_0001_ledger``): the greatest name is the newest revision, and one query shows that a database has it.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import psycopg

from atlas_kit.process.logs import get_logger

log = get_logger()

LOCK_KEY = 5_210_715
"""Key of the advisory lock that a migrating process holds; any fixed number would do."""
LOCK_TIMEOUT = "10s"
STATEMENT_TIMEOUT = "120s"
"""Time limits of each statement of a migration: for getting its locks, and for the whole statement."""


def head(package: str) -> str:
    """The newest revision in the code. Raises ModuleNotFoundError where the service's code isn't installed."""
    versions = files(package) / "migrations" / "versions"
    return max(entry.name.removesuffix(".py") for entry in versions.iterdir() if entry.name[:2].isdigit())


def current(dsn: str) -> str | None:
    """The database's revision; None if it was never migrated. Raises psycopg.OperationalError."""
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        exists = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if not exists or exists[0] is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def upgrade(dsn: str, package: str) -> None:
    """Migrate the database to the newest revision of the code; several replicas may do it at once.

    A database that is newer than the code (during a rolling upgrade) is left as it is: migrations only add things, so
    older code works with it. Raises psycopg or SQLAlchemy errors.
    """
    at = current(dsn)
    if at is not None and at >= head(package):
        if at > head(package):
            log.warning("database.newer_than_code", database=at, code=head(package))
        return
    from alembic import command

    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as lock:
        lock.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        at = current(dsn)
        if at is None or at < head(package):
            command.upgrade(_configuration(dsn, package), "head")


def configuration_differences(dsn: str, package: str) -> list[Any]:
    """The changes that alembic would make so that the database matches the models; empty if they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    metadata = __import__(f"{package}.migrations.tables", fromlist=["metadata"]).metadata
    with _engine(dsn).connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def run_environment(metadata: Any) -> None:
    """The body of every ``migrations/env.py``."""
    from alembic import context
    from sqlalchemy import text

    with _engine(context.config.attributes["dsn"]).connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.commit()
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


def _engine(dsn: str) -> Any:
    from sqlalchemy import NullPool, create_engine

    # SQLAlchemy reads no URL with several hosts; libpq does.
    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)


def _configuration(dsn: str, package: str) -> Any:
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(files(package) / "migrations"))
    configuration.attributes["dsn"] = dsn
    return configuration
