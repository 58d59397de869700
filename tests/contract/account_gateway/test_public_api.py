"""The entitlement, checkout and portal, by script and by link: every answer, to the letter (CONTRACT 1, 2, 10)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.gateway import PRO, cookie_of, entitlement_view, new_user
from support.identity import verifier
from support.public_api import (
    CHECKOUT,
    ENTITLEMENT,
    HOSTED,
    JSON_TYPE,
    OVERVIEW,
    PORTAL,
    PORTAL_PAGE,
    STREAM,
    TOO_MANY,
    UNAUTHORIZED,
    assert_error,
    get,
    post,
    sells,
)


class TestEntitlement:
    def test_a_pro_user_reads_exactly_five_keys(self, world: Any) -> None:
        user = new_user()
        world.entitlements.answer("GET /internal/entitlement", entitlement_view(user, **PRO))
        response = get(world, ENTITLEMENT, user)
        assert response.status_code == 200
        assert response.text == (
            '{"ok":true,"data":{"isPro":true,"status":"active","source":"stripe",'
            '"restoredAt":"2026-11-23T10:00:00Z","updatedAt":"2026-11-23T10:00:01.250Z"}}'
        )
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"

    def test_a_user_of_whom_nothing_is_known_reads_none(self, world: Any) -> None:
        user = new_user()
        world.entitlements.answer("GET /internal/entitlement", entitlement_view(user))
        assert get(world, ENTITLEMENT, user).json() == {
            "ok": True,
            "data": {"isPro": False, "status": "none", "source": None, "restoredAt": None, "updatedAt": None},
        }

    def test_a_revoked_user_keeps_source_and_start(self, world: Any) -> None:
        user = new_user()
        revoked = PRO | {"isPro": False, "status": "revoked", "activeUntil": "2026-11-24T00:00:00Z", "source": "ios_iap"}
        world.entitlements.answer("GET /internal/entitlement", entitlement_view(user, **revoked))
        assert get(world, ENTITLEMENT, user).json()["data"] == {
            "isPro": False,
            "status": "revoked",
            "source": "ios_iap",
            "restoredAt": "2026-11-23T10:00:00Z",
            "updatedAt": "2026-11-23T10:00:01.250Z",
        }

    def test_the_service_behind_is_asked_by_the_gateway_about_the_user_alone(self, world: Any) -> None:
        user = new_user()
        world.entitlements.answer("GET /internal/entitlement", entitlement_view(user))
        get(world, ENTITLEMENT, user, x_request_id="trace.me:1")
        asked = world.entitlements.asked[-1]
        caller = verifier("entitlements").verify(asked.headers["authorization"])
        assert (caller.issuer, caller.subject) == ("account-gateway", "account-gateway")
        assert asked.body == {"userIds": [user], "requestIds": ["trace.me:1"]}
        assert asked.headers["x-request-id"] == "trace.me:1"
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", asked.headers["traceparent"])
        assert "cookie" not in asked.headers

    def test_identity_headers_from_outside_are_ignored(self, world: Any) -> None:
        spoofed = dict.fromkeys(["x_user_id", "x_forwarded_user", "x_authenticated_user", "x_atlas_user"], "victim")
        assert_error(get(world, ENTITLEMENT, **spoofed), 401, *UNAUTHORIZED)
        user = new_user()
        world.entitlements.answer("GET /internal/entitlement", entitlement_view(user))
        get(world, f"{ENTITLEMENT}?userId=victim&sub=victim", user, **spoofed)
        asked = world.entitlements.asked[-1]
        assert asked.body["userIds"] == [user]
        assert "victim" not in str(asked)

    def test_the_services_being_away_is_503(self, world: Any) -> None:
        world.entitlements.answer("GET /internal/entitlement", {"unexpected": True})
        message = "Service is temporarily unavailable. Please try again later."
        assert_error(get(world, ENTITLEMENT, new_user()), 503, "internal_error", message, "retry_later")

    def test_a_failure_inside_shows_nothing_of_itself(self, world: Any) -> None:
        world.entitlements.error("GET /internal/entitlement", 500, "internal_error", "Internal server error.", "retry")
        assert_error(get(world, ENTITLEMENT, new_user()), 500, "internal_error", "Internal server error.", "retry")

    def test_a_refused_internal_token_is_not_the_users_fault(self, world: Any) -> None:
        world.entitlements.error("GET /internal/entitlement", 401, *UNAUTHORIZED)
        assert get(world, ENTITLEMENT, new_user()).status_code == 503


class TestCheckout:
    @pytest.mark.parametrize(
        ("query", "source"),
        [
            ("", "direct"),
            ("?source=hero", "hero"),
            ("?source=COMPARISON", "comparison"),
            ("?source=Faq", "faq"),
            ("?source=direct", "direct"),
            ("?source=evil", "direct"),
            ("?source=", "direct"),
            ("?source=%0d%0a", "direct"),
        ],
    )
    def test_a_link_leads_to_the_hosted_page(self, world: Any, query: str, source: str) -> None:
        sells(world)
        response = get(world, CHECKOUT + query, new_user(), accept="text/html")
        assert response.status_code == 303
        assert response.headers["location"] == HOSTED
        assert response.headers["cache-control"] == "no-store"
        assert world.checkout.asked[-1].body == {"source": source}

    def test_a_script_gets_the_url(self, world: Any) -> None:
        sells(world)
        response = post(world, CHECKOUT, {"source": "Hero"}, new_user(), origin=world.origin)
        assert response.status_code == 200
        assert response.json() == {"ok": True, "data": {"url": HOSTED}}
        assert world.checkout.asked[-1].body == {"source": "hero"}

    @pytest.mark.parametrize("body", [None, {}, {"source": None}, {"source": "else"}])
    def test_the_source_is_optional(self, world: Any, body: Any) -> None:
        sells(world)
        assert post(world, CHECKOUT, body, new_user()).status_code == 200
        assert world.checkout.asked[-1].body == {"source": "direct"}

    @pytest.mark.parametrize("content", [b"[]", b"{", b'"hero"', b'{"source":7}', b"\xff", b"[" * 60_000])
    def test_an_unreadable_body_is_400(self, world: Any, content: bytes) -> None:
        response = world.client.post(CHECKOUT, content=content, headers=JSON_TYPE | cookie_of(new_user()))
        assert_error(response, 400, "invalid_request", "Invalid request.", "update_input")
        assert not world.checkout.asked

    def test_a_form_is_400(self, world: Any) -> None:
        response = world.client.post(CHECKOUT, data={"source": "hero"}, headers=cookie_of(new_user()))
        assert_error(response, 400, "invalid_request", "Invalid request.", "update_input")

    def test_who_is_pro_already_reads_so(self, world: Any) -> None:
        error = (400, "invalid_request", "Pro is already active.", "none")
        world.checkout.error("POST /internal/checkout-sessions", *error)
        assert_error(get(world, CHECKOUT, new_user()), *error)
        assert_error(post(world, CHECKOUT, {}, new_user()), *error)

    def test_an_unavailable_service_is_503_in_the_routes_own_words(self, world: Any) -> None:
        message = "Checkout is temporarily unavailable. Please try again later."
        world.checkout.error(
            "POST /internal/checkout-sessions", 503, "internal_error", "Something else.", "retry_later", **{"retry-after": "7"}
        )
        for response in (get(world, CHECKOUT, new_user()), post(world, CHECKOUT, {}, new_user())):
            assert_error(response, 503, "internal_error", message, "retry_later")
            assert response.headers["retry-after"] == "7"

    def test_of_50_clicks_at_once_10_get_the_url_and_40_get_429(self, world: Any) -> None:
        sells(world)
        cookie = cookie_of(new_user())
        with ThreadPoolExecutor(16) as clicks:
            responses = list(clicks.map(lambda _: world.client.post(CHECKOUT, headers=cookie), range(50)))
        allowed = [response for response in responses if response.status_code == 200]
        refused = [response for response in responses if response.status_code == 429]
        assert (len(allowed), len(refused)) == (10, 40)
        for response in refused:
            assert_error(response, 429, *TOO_MANY)

    def test_links_and_scripts_share_one_limit(self, world: Any) -> None:
        sells(world)
        cookie = cookie_of(new_user())
        for number in range(10):
            method = "GET" if number % 2 else "POST"
            assert world.client.request(method, CHECKOUT, headers=cookie).status_code in (200, 303)
        assert_error(world.client.get(CHECKOUT, headers=cookie), 429, *TOO_MANY)


class TestPortal:
    def test_a_link_leads_to_the_portal(self, world: Any) -> None:
        sells(world)
        response = get(world, PORTAL, new_user())
        assert (response.status_code, response.headers["location"]) == (303, PORTAL_PAGE)

    def test_a_script_gets_the_url(self, world: Any) -> None:
        sells(world)
        assert post(world, PORTAL, user=new_user()).json() == {"ok": True, "data": {"url": PORTAL_PAGE}}

    def test_without_history_there_is_no_portal(self, world: Any) -> None:
        error = (404, "not_found", "No Stripe billing history was found for this account yet.", "none")
        world.checkout.error("POST /internal/portal-sessions", *error)
        assert_error(get(world, PORTAL, new_user()), *error)
        assert_error(post(world, PORTAL, user=new_user()), *error)

    def test_an_unavailable_service_is_503_in_the_routes_own_words(self, world: Any) -> None:
        message = "Billing portal is temporarily unavailable. Please try again later."
        world.checkout.answer("POST /internal/portal-sessions", {"no": "url"})
        assert_error(get(world, PORTAL, new_user()), 503, "internal_error", message, "retry_later")


class TestNavigation:
    """A browser that meets an error on checkout or portal is sent back; it never sees JSON."""

    @pytest.mark.parametrize("path", [CHECKOUT, PORTAL])
    def test_a_signed_out_browser_is_sent_back_to_the_account_page(self, world: Any, path: str) -> None:
        response = get(world, path, accept="text/html,application/xhtml+xml,*/*;q=0.8")
        assert (response.status_code, response.headers["location"]) == (303, "/account?billing_error=unauthorized")

    @pytest.mark.parametrize(
        ("status", "code"),
        [(400, "invalid_request"), (404, "not_found"), (503, "internal_error"), (500, "internal_error")],
    )
    @pytest.mark.parametrize(("path", "upstream"), [(CHECKOUT, "checkout"), (PORTAL, "portal")])
    def test_an_error_sends_a_browser_back_to_the_account_page(
        self, world: Any, status: int, code: str, path: str, upstream: str
    ) -> None:
        world.checkout.error(f"POST /internal/{upstream}-sessions", status, code, "Whatever.", "none")
        response = get(world, path, new_user(), accept="text/html")
        assert (response.status_code, response.headers["location"]) == (303, f"/account?billing_error={code}")

    def test_too_many_clicks_send_a_browser_back_to_the_account_page(self, world: Any) -> None:
        sells(world)
        user = new_user()
        for _ in range(10):
            get(world, CHECKOUT, user, accept="text/html")
        response = get(world, CHECKOUT, user, accept="text/html")
        assert (response.status_code, response.headers["location"]) == (303, "/account?billing_error=rate_limited")

    @pytest.mark.parametrize("path", [ENTITLEMENT, OVERVIEW, STREAM])
    def test_other_reads_answer_json_whatever_is_accepted(self, world: Any, path: str) -> None:
        assert_error(get(world, path, accept="text/html"), 401, *UNAUTHORIZED)
