"""No open redirects."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_gateway.return_paths import checked_sign_in, safe_return_path, sign_in_location


@pytest.mark.parametrize("path", ["/", "/account", "/pro/upgrade?source=hero", "/a#b", "/a//b", "/account?next=https://x.example"])
def test_a_path_on_this_origin_is_kept(path: str) -> None:
    assert safe_return_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "account",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/a\r\nSet-Cookie: x=1",
        "/a b",
        " /account",
        "/\x00",
        "/\x7f",
        "/é",
        "https://evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        "/" + "a" * 5000,
        "/a\\b",
    ],
)
def test_anything_else_becomes_the_default(path: str | None) -> None:
    assert safe_return_path(path) == "/account"


@given(st.text(alphabet="/\\ \t\r\n:.@%evilh?#\x00", max_size=30))
def test_no_return_path_ever_leaves_the_origin(path: str) -> None:
    assert urlsplit(urljoin("https://atlas.example/dev/sign-in", safe_return_path(path))).netloc == "atlas.example"


def test_signing_in_leads_back() -> None:
    path = "/pro/upgrade?source=hero"
    encoded = "%2Fpro%2Fupgrade%3Fsource%3Dhero"
    for asked, location in {
        "/api/auth/signin?callbackUrl=": f"https://a.example/api/auth/signin?callbackUrl={encoded}",
        "/en/login?next=": f"https://a.example/en/login?next={encoded}",
        "https://login.example/start?app=atlas&to=": f"https://login.example/start?app=atlas&to={encoded}",
    }.items():
        sign_in_url = checked_sign_in(asked)
        assert sign_in_location(path, nextauth_url="https://a.example", sign_in_url=sign_in_url, dev_sign_in=False) == location
        dev = sign_in_location(path, nextauth_url="https://a.example", sign_in_url=sign_in_url, dev_sign_in=True)
        assert dev == f"/dev/sign-in?callbackUrl={encoded}", "dev sign-in wins"
