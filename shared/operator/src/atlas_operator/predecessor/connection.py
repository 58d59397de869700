"""Opening the existing web app's database: one read-only snapshot of it, and one sentence for whatever is wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from atlas_kit.storage.atlas_database import read_atlas_url
from atlas_operator.errors import CallFailed, NotUnderstood
from atlas_operator.predecessor.tables import check

CONNECT_SECONDS = 10
LOCK_WAIT = b"SET LOCAL lock_timeout = '10s'"
"""The app's own migration may hold its tables; whoever waits for it longer would keep others waiting behind."""
SCHEMES = ("postgresql://", "postgres://")
REFUSALS = (
    ("password authentication failed", "it refuses the user or the password: look at the DSN."),
    ("no password supplied", "the DSN names no password, and it wants one."),
    ("no pg_hba.conf entry", "it lets nobody in from here (pg_hba.conf), or not without TLS: ask who runs it."),
    ("does not exist", "there is no such database or user: look at the DSN's name of the database and its user."),
    ("could not translate host name", "its host has no address: look at the DSN's host."),
    ("failed to resolve host", "its host has no address: look at the DSN's host."),
    ("Name or service not known", "its host has no address: look at the DSN's host."),
    ("Connection refused", "nothing listens at its host and port: look at both in the DSN."),
    ("certificate", "its certificate can't be verified: look at the DSN's sslmode and sslrootcert."),
    ("SSL", "TLS can't be agreed on: look at the DSN's sslmode."),
    ("timeout", "it does not answer within 10 s: look at the DSN's host, and at what stands in between."),
    ("too many", "it has no connection left: try again, or lower the web app's connection_limit."),
)


class Unreadable(CallFailed):
    """The web app's database can't be read; the message says what to do."""


class DsnRefused(Unreadable, NotUnderstood):
    """The DSN is no Postgres URL that can be used."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """One snapshot of the database: everything that is read in it is of one moment."""

    connection: Connection[TupleRow]
    schema: str


@contextlib.contextmanager
def opened(dsn: str) -> Iterator[Predecessor]:
    """The database at ``dsn`` (the web app's own URL, Prisma's parameters included), in one read-only transaction.

    Raises Unreadable. No message contains the password.
    """
    url, schema = _understood(dsn)
    try:
        connection = psycopg.connect(**url, autocommit=False)
    except psycopg.OperationalError as error:
        raise Unreadable(f"The web app's database can't be opened: {_why(error)}") from None
    with contextlib.closing(connection):
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        try:
            connection.execute(LOCK_WAIT)
            check(connection, schema)
            yield Predecessor(connection, schema)
        except psycopg.errors.LockNotAvailable:
            raise Unreadable(
                "The web app's tables are locked, by a migration perhaps; nothing was read of them. Try again."
            ) from None
        except psycopg.Error as error:
            told = (error.diag.message_primary or type(error).__name__).rstrip(".")
            raise Unreadable(f"Reading the web app's database failed ({told}); run the command again.") from None


def _understood(dsn: str) -> tuple[dict[str, Any], str]:
    if not dsn.startswith(SCHEMES):
        raise DsnRefused("DSN must be a Postgres URL such as postgresql://user:password@host:5432/database.")
    try:
        read = read_atlas_url(dsn)
        url = conninfo_to_dict(read.url)
    except (ValueError, psycopg.Error) as error:
        why = str(error) if isinstance(error, ValueError) else "can't be read as a Postgres URL"
        raise DsnRefused(f"DSN {why}.") from None
    told: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, **url, "application_name": "atlas-import"}
    # A pooler in between may send the next transaction to another server, which knows no prepared statement.
    return {**told, "prepare_threshold": None}, read.schema


def _why(error: psycopg.Error) -> str:
    said = str(error)
    return next((why for words, why in REFUSALS if words in said), "it doesn't answer; look at the DSN.")
