"""The databases and their roles: an owner, which migrates, and a service role, which only reads and writes rows."""

from __future__ import annotations

from collections.abc import Mapping

DATABASES = ("entitlements", "checkout")
ROLES = tuple(f"{database}_{kind}" for database in DATABASES for kind in ("owner", "service"))


REPLICATOR = "replicator"
"""The role with which a standby follows the primary; it may do nothing else."""


def owner(database: str) -> str:
    """The role that migrations run as."""
    return f"{database}_owner"


def service(database: str) -> str:
    """The role that the service itself uses. It may not create tables, truncate, or use another database."""
    return f"{database}_service"


def provision(passwords: Mapping[str, str]) -> str:
    """A psql script that creates missing roles and databases, and sets the passwords; it may be repeated."""
    return "".join(_database(name, passwords) for name in DATABASES)


def replicator(password: str) -> str:
    """A psql script that creates the standby's role where it is missing, and sets its password."""
    return (
        f"SELECT 'CREATE ROLE {REPLICATOR} LOGIN REPLICATION'"
        f" WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{REPLICATOR}') \\gexec\n"
        f"ALTER ROLE {REPLICATOR} PASSWORD '{password}';\n"
    )


def _database(name: str, passwords: Mapping[str, str]) -> str:
    migrator, worker = owner(name), service(name)
    roles = "".join(
        f"SELECT 'CREATE ROLE {role} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec\n"
        f"ALTER ROLE {role} PASSWORD '{passwords[role]}';\n"
        for role in (migrator, worker)
    )
    return f"""\
\\connect postgres
{roles}\
SELECT 'CREATE DATABASE {name} OWNER {migrator}'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec
REVOKE ALL ON DATABASE {name} FROM PUBLIC;
GRANT CONNECT ON DATABASE {name} TO {worker};
\\connect {name}
ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {worker};
ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} GRANT USAGE, SELECT ON SEQUENCES TO {worker};
"""
