"""What the web app's database URL means here."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_kit.storage.atlas_database import AtlasDatabase, read_atlas_url

PLAIN = "postgresql://atlas:p%40ss@db.example:6543/atlas"


@pytest.mark.parametrize(
    ("query", "kept", "schema"),
    [
        ("", "", "public"),
        ("schema=public", "", "public"),
        ("schema=Atlas%20App", "", "Atlas App"),
        ("schema=", "", "public"),
        ("pgbouncer=true&connection_limit=1&pool_timeout=0&socket_timeout=5&statement_cache_size=0", "", "public"),
        ("sslmode=require&channel_binding=require", "sslmode=require&channel_binding=require", "public"),
        ("sslmode=require&sslaccept=accept_invalid_certs", "sslmode=require", "public"),
        ("sslmode=require&sslaccept=accept_invalid_certs&sslcert=..%2Fca.pem", "sslmode=require", "public"),
        ("sslaccept=strict", "sslmode=verify-full&sslrootcert=system", "public"),
        ("sslmode=disable&sslaccept=strict", "sslmode=disable", "public"),
        ("connect_timeout=10&application_name=app", "connect_timeout=10&application_name=app", "public"),
    ],
)
def test_prismas_parameters_are_understood_or_left_out(query: str, kept: str, schema: str) -> None:
    expected = AtlasDatabase(f"{PLAIN}?{kept}" if kept else PLAIN, schema)
    assert read_atlas_url(f"{PLAIN}?{query}" if query else PLAIN) == expected


def test_prismas_certificate_is_the_authoritys(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    url = read_atlas_url(f"{PLAIN}?sslmode=require&sslaccept=strict&sslcert={authority}").url
    assert "sslmode=verify-full" in url and "sslrootcert=" in url and "sslcert=" not in url.replace("sslrootcert=", "")


@pytest.mark.parametrize("query", ["sslmod=require", "sslaccept=no", "sslidentity=a.p12", "sslmode=on", "sslrootcert=/not/here.pem"])
def test_what_cannot_be_used_is_refused_without_its_values(query: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the words are what is looked at
        read_atlas_url(f"{PLAIN}?{query}")
    assert "ss@" not in str(refused.value) and "db.example" not in str(refused.value)
