"""The database of the existing web app, by the URL that the web app itself uses, Prisma's parameters included.

libpq refuses those: they are translated or left out here. ``schema`` is where the web app's tables are.
``sslaccept=strict`` becomes libpq's ``sslmode=verify-full``, and Prisma's ``sslcert`` (the authority's certificate) its
``sslrootcert``; without ``sslaccept`` Prisma verifies no certificate, and neither does libpq. Parameters that bound
Prisma's own pool, or keep it from preparing statements, are left out: whoever connects here prepares no statements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

DEFAULT_SCHEMA = "public"
MAX_NAME = 63
"""Bytes of an identifier in Postgres."""
LEFT_OUT = frozenset(
    {
        "connection_limit",
        "max_connection_lifetime",
        "max_idle_connection_lifetime",
        "pgbouncer",
        "pool_timeout",
        "single_use_connections",
        "socket_timeout",
        "statement_cache_size",
        "supa",
        "uselibpqcompat",
        "workaround",
    }
)
"""Prisma's, and what hosting providers add to the URLs that they hand out."""
SSL_ACCEPT = ("strict", "accept_invalid_certs")
FILES = ("sslrootcert", "sslcert", "sslkey")


@dataclass(frozen=True, slots=True)
class AtlasDatabase:
    """Where the web app's tables are. ``url`` is one that libpq takes."""

    url: str
    schema: str


def read_atlas_url(url: str) -> AtlasDatabase:
    """Read a URL of the web app's. Raises ValueError for what can't be used; the message has none of its values."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    schema = asked.pop("schema", "") or DEFAULT_SCHEMA
    if len(schema.encode()) > MAX_NAME or not schema.isprintable():
        raise ValueError("has a schema that can't be a schema's name")
    kept = {name: value for name, value in _tls(asked).items() if name not in LEFT_OUT}
    known = urlunsplit(parts._replace(query=urlencode(kept)))
    _check(known, kept)
    return AtlasDatabase(known, schema)


def _tls(asked: Mapping[str, str]) -> dict[str, str]:
    """Prisma's parameters for TLS as libpq's."""
    if "sslidentity" in asked:
        raise ValueError("has sslidentity (PKCS 12), which can't be used: give sslcert and sslkey as PEM files")
    told = dict(asked)
    accept = told.pop("sslaccept", None)
    if accept not in (None, *SSL_ACCEPT):
        raise ValueError(f"has an sslaccept that is neither {' nor '.join(SSL_ACCEPT)}")
    authority = told.pop("sslcert", None) if "sslkey" not in told else None
    if accept == "strict" and told.get("sslmode") != "disable":
        told["sslmode"] = "verify-full"
        told.setdefault("sslrootcert", authority or "system")
    return told


def _check(url: str, parameters: Mapping[str, str]) -> None:
    """Raises ValueError for what libpq would refuse at the first connection, or at every one."""
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    if unknown := sorted(name for name in parameters if name not in known):
        raise ValueError(f"has a parameter that can't be used: {', '.join(map(ascii, unknown))}")
    if parameters.get("connect_timeout", "0") and not parameters.get("connect_timeout", "0").isdecimal():
        raise ValueError("has a connect_timeout that is no whole number of seconds")
    modes = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
    if parameters.get("sslmode", "prefer") not in modes:
        raise ValueError(f"has an sslmode that is none of {', '.join(modes)}")
    for name in FILES:
        path = parameters.get(name, "system")
        if path != "system" and not Path(path).is_file():
            raise ValueError(f"has an {name} that names no file here")
    try:
        conninfo_to_dict(url)
    except psycopg.Error:
        raise ValueError("can't be read as a Postgres URL") from None
