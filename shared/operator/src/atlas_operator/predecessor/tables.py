"""The web app's tables, as far as they are read: whether they are there, are that app's, and may be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.sql import Identifier

from atlas_operator.errors import CallFailed
from atlas_operator.terminal.words import listed

COLUMNS: Mapping[str, Sequence[str]] = {
    "User": ("id", "deletedAt"),
    "ProEntitlement": ("userId", "status", "source", "restoredAt", "createdAt", "updatedAt"),
    "BillingEntitlementProjection": (
        "userId", "productKey", "status", "provider", "providerCustomerId", "activeFrom", "activeUntil", "createdAt",
        "updatedAt",
    ),
    "BillingEventLedger": (
        "id", "userId", "provider", "providerEventId", "providerTransactionId", "productKey", "eventType", "occurredAt",
        "payload",
    ),
}  # fmt: skip
"""Every table and column that is read, and no other: of a user neither e-mail nor name."""
_SCHEMA = "SELECT oid, has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = %s"
_THERE = """
SELECT c.relname, a.attname, has_column_privilege(c.oid, a.attnum, 'SELECT')
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_attribute a
    ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = %s AND c.relname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
ANOTHER_APPS = "Is it the web app's database, and its schema (?schema=… in the DSN)?"


class NotTheWebApp(CallFailed):
    """The tables are missing, another app's, or not to be read; the message says what to do."""


def check(connection: Connection[TupleRow], schema: str) -> None:
    """Raises NotTheWebApp unless every column that is read is there and may be read."""
    found = connection.execute(_SCHEMA, (schema,)).fetchone()
    if found is None:
        raise NotTheWebApp(f"The database has no schema {schema}: look at ?schema=… in the DSN.")
    oid, may_enter = found
    rows = connection.execute(_THERE, (oid, list(COLUMNS))).fetchall()
    there = {table: {column: readable for t, column, readable in rows if t == table} for table, _, _ in rows}
    if missing := [_quoted(table) for table in COLUMNS if table not in there]:
        raise NotTheWebApp(f"The schema {schema} has no table {listed(missing)}. {ANOTHER_APPS}")
    lacking = [
        f"{_quoted(table)}.{_quoted(column)}"
        for table, columns in COLUMNS.items()
        for column in columns
        if column not in there[table]
    ]
    if lacking:
        raise NotTheWebApp(
            f"The schema {schema} is another app's: it lacks the column {listed(lacking)}. {ANOTHER_APPS}"
        )
    closed = [table for table, columns in COLUMNS.items() if not all(there[table][column] for column in columns)]
    if closed or not may_enter:
        raise NotTheWebApp(
            f"The DSN's role may not read {listed([_quoted(table) for table in closed]) or f'the schema {schema}'}."
            f" Whoever owns the tables says: {grant_statement(connection, schema, closed, usage=not may_enter)}"
        )


def grant_statement(connection: Connection[TupleRow], schema: str, tables: Sequence[str], *, usage: bool) -> str:
    """The SQL that gives the connected role what it lacks; of "User" no more than the two columns that are read."""
    row = connection.execute("SELECT current_user").fetchone()
    assert row
    role, place = Identifier(row[0]).as_string(connection), Identifier(schema).as_string(connection)
    said = [f"GRANT USAGE ON SCHEMA {place} TO {role};"] if usage else []
    whole = [f"{place}.{_quoted(table)}" for table in tables if table != "User"]
    said += [f"GRANT SELECT ON {', '.join(whole)} TO {role};"] if whole else []
    if "User" in tables:
        said.append(f'GRANT SELECT (id, "deletedAt") ON {place}."User" TO {role};')
    return " ".join(said)


def _quoted(name: str) -> str:
    return f'"{name}"'
