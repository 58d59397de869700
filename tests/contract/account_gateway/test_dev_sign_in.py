"""/dev/sign-in: signs a browser in as anybody, on a developer's machine and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from support.gateway import entitlement_view, running_gateway

PATH = "/dev/sign-in"


def test_the_form_carries_a_safe_return_path(world: Any) -> None:
    page = world.client.get(f"{PATH}?callbackUrl=/pro/upgrade%3Fsource%3Dhero")
    assert page.status_code == 200
    assert "/pro/upgrade?source=hero" in page.text
    assert "evil.example" not in world.client.get(f"{PATH}?callbackUrl=//evil.example").text


def test_signing_in_makes_a_session_and_leads_back(world: Any) -> None:
    answer = world.client.post(PATH, data={"user": "alice", "callbackUrl": "/pro"}, headers={"origin": world.origin})
    assert (answer.status_code, answer.headers["location"]) == (303, "/pro")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("next-auth.session-token=")
    assert all(part in cookie for part in ("HttpOnly", "Path=/", "SameSite=lax", "Max-Age="))
    assert "Domain" not in cookie
    world.entitlements.answer("GET /internal/entitlement", entitlement_view("alice"))
    assert world.client.get("/api/pro/entitlement").status_code == 200


@pytest.mark.parametrize("callback", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nx: y", ""])
def test_a_callback_to_another_site_leads_to_the_account_page(world: Any, callback: str) -> None:
    answer = world.client.post(PATH, data={"user": "alice", "callbackUrl": callback})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}], ids=str)
def test_another_site_signs_nobody_in(world: Any, headers: dict[str, str]) -> None:
    answer = world.client.post(PATH, data={"user": "attacker"}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("user", ["", "   ", "a" * 256, "a\x00b"])
def test_a_name_that_is_none_is_refused(world: Any, user: str) -> None:
    answer = world.client.post(PATH, data={"user": user})
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


def test_it_does_not_exist_unless_it_is_switched_on() -> None:
    with running_gateway() as client:
        assert client.get(PATH).status_code == 404
        assert client.post(PATH, data={"user": "alice"}).status_code == 404
        base = str(client.base_url).rstrip("/")
        location = client.get("/pro/upgrade").headers["location"]
        assert location == f"{base}/api/auth/signin?callbackUrl=%2Fpro%2Fupgrade%3Fsource%3Ddirect"


def test_on_https_answers_carry_hsts() -> None:
    with running_gateway(NEXTAUTH_URL="https://atlas.example") as client:
        assert client.get("/api/health").headers["strict-transport-security"].startswith("max-age=")
        location = client.get("/pro/upgrade").headers["location"]
        assert location.startswith("https://atlas.example/api/auth/signin?callbackUrl=")
        assert client.get(PATH).status_code == 404
