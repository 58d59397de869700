"""Restore, confirm, the account page's overview and the way to checkout: every answer, to the letter (CONTRACT 1, 2, 10)."""

from __future__ import annotations

from typing import Any

import pytest

from support.gateway import PRO, cookie_of, entitlement_view, new_user
from support.public_api import (
    CHECKOUT,
    CONFIRM,
    JSON_TYPE,
    NOT_FOUND,
    OVERVIEW,
    RESTORE,
    SUMMARY,
    assert_error,
    get,
    post,
)


class TestRestore:
    @pytest.mark.parametrize("outcome", ["restored", "already_active"])
    def test_outcomes_that_are_pro(self, world: Any, outcome: str) -> None:
        world.checkout.answer("POST /internal/restore", {"outcome": outcome, "reason": None, "entitlement": SUMMARY})
        response = post(world, RESTORE, {"trigger": "account"}, new_user())
        assert response.json() == {"ok": True, "data": {"outcome": outcome, "entitlement": SUMMARY}}
        assert world.checkout.asked[-1].body == {"trigger": "account"}

    def test_nothing_found_keeps_nulls_and_has_no_reason(self, world: Any) -> None:
        world.checkout.answer("POST /internal/restore", NOT_FOUND)
        response = post(world, RESTORE, {"trigger": "account"}, new_user())
        assert response.json() == {"ok": True, "data": NOT_FOUND}

    @pytest.mark.parametrize("reason", ["refunded", "chargeback_lost", "payment_pending"])
    def test_not_eligible_says_why(self, world: Any, reason: str) -> None:
        data = NOT_FOUND | {"outcome": "not_eligible", "reason": reason}
        world.checkout.answer("POST /internal/restore", data)
        assert post(world, RESTORE, {"trigger": "account"}, new_user()).json() == {"ok": True, "data": data}

    @pytest.mark.parametrize(
        "content",
        [b"", b"{}", b"[]", b"null", b"{", b'{"trigger":"admin"}', b'{"trigger":null}', b'{"trigger":"account","userId":"victim"}',
         b'{"trigger":"ACCOUNT"}', b'{"trigger":"account","isPro":true}', b"\xff\xfe", b"[" * 60_000],
    )  # fmt: skip
    def test_anything_but_the_one_trigger_is_400(self, world: Any, content: bytes) -> None:
        response = world.client.post(RESTORE, content=content, headers=JSON_TYPE | cookie_of(new_user()))
        assert_error(response, 400, "invalid_request", "Invalid restore request.", "update_input")
        assert not world.checkout.asked

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
    def test_another_content_type_is_400(self, world: Any, kind: str) -> None:
        headers = {"content-type": kind} | cookie_of(new_user())
        response = world.client.post(RESTORE, content=b'{"trigger":"account"}', headers=headers)
        assert_error(response, 400, "invalid_request", "Invalid restore request.", "update_input")

    def test_a_charset_is_no_other_content_type(self, world: Any) -> None:
        world.checkout.answer("POST /internal/restore", NOT_FOUND)
        headers = {"content-type": "application/json; charset=utf-8"} | cookie_of(new_user())
        assert world.client.post(RESTORE, content=b'{"trigger":"account"}', headers=headers).status_code == 200

    def test_an_unavailable_service_is_503_in_the_routes_own_words(self, world: Any) -> None:
        message = "Restore is temporarily unavailable. Please try again later."
        world.checkout.error("POST /internal/restore", 503, "internal_error", "Else.", "retry_later", **{"retry-after": "2"})
        response = post(world, RESTORE, {"trigger": "account"}, new_user())
        assert_error(response, 503, "internal_error", message, "retry_later")
        assert response.headers["retry-after"] == "2"


class TestConfirm:
    @pytest.mark.parametrize("outcome", ["active", "processing", "not_paid"])
    def test_each_outcome_comes_with_the_entitlement(self, world: Any, outcome: str) -> None:
        world.checkout.answer("POST /internal/confirm", {"outcome": outcome, "entitlement": SUMMARY})
        response = post(world, CONFIRM, {"checkoutSessionId": "cs_test_a1B2"}, new_user())
        assert response.json() == {"ok": True, "data": {"outcome": outcome, "entitlement": SUMMARY}}
        assert world.checkout.asked[-1].body == {"checkoutSessionId": "cs_test_a1B2"}

    @pytest.mark.parametrize(
        "body", [{}, {"checkoutSessionId": None}, {"checkoutSessionId": ""}, {"checkoutSessionId": "pi_1"},
                 {"checkoutSessionId": "cs_test/../x"}, {"checkoutSessionId": "cs_" + "a" * 300},
                 {"checkoutSessionId": "cs_test_1", "userId": "victim"}, []]
    )  # fmt: skip
    def test_anything_else_is_400(self, world: Any, body: Any) -> None:
        response = post(world, CONFIRM, body, new_user())
        assert_error(response, 400, "invalid_request", "Invalid checkout confirmation.", "update_input")
        assert not world.checkout.asked

    def test_somebody_elses_session_is_not_found(self, world: Any) -> None:
        error = (404, "not_found", "Checkout session not found.", "none")
        world.checkout.error("POST /internal/confirm", *error)
        assert_error(post(world, CONFIRM, {"checkoutSessionId": "cs_test_1"}, new_user()), *error)

    def test_an_unavailable_service_is_503_in_the_routes_own_words(self, world: Any) -> None:
        message = "Checkout is temporarily unavailable. Please try again later."
        world.checkout.answer("POST /internal/confirm", {})
        response = post(world, CONFIRM, {"checkoutSessionId": "cs_test_1"}, new_user())
        assert_error(response, 503, "internal_error", message, "retry_later")


class TestOverview:
    def test_all_that_the_account_page_shows(self, world: Any) -> None:
        user = new_user()
        payment = {"state": "processing", "since": "2026-11-23T09:00:00Z"}
        world.entitlements.answer("GET /internal/overview", {"entitlement": entitlement_view(user), "payment": payment})
        world.checkout.answer("GET /internal/billing-profile", {"canManageBilling": True})
        none = {"isPro": False, "status": "none", "source": None, "restoredAt": None, "updatedAt": None}
        assert get(world, OVERVIEW, user).json() == {
            "ok": True,
            "data": {"entitlement": none, "payment": payment, "canManageBilling": True},
        }

    def test_without_the_checkout_service_there_is_no_portal_to_go_to(self, world: Any) -> None:
        user = new_user()
        world.entitlements.answer("GET /internal/overview", {"entitlement": entitlement_view(user, **PRO), "payment": None})
        data = get(world, OVERVIEW, user).json()["data"]
        assert data["entitlement"]["isPro"] is True
        assert (data["payment"], data["canManageBilling"]) == (None, False)


class TestUpgrade:
    def test_signed_in_it_leads_to_checkout(self, world: Any) -> None:
        response = get(world, "/pro/upgrade?source=HERO", new_user())
        assert (response.status_code, response.headers["location"]) == (303, f"{CHECKOUT}?source=hero")
        assert not world.checkout.asked

    def test_signed_out_it_leads_to_the_sign_in_and_back(self, world: Any) -> None:
        response = get(world, "/pro/upgrade?source=x")
        expected = "/dev/sign-in?callbackUrl=%2Fpro%2Fupgrade%3Fsource%3Ddirect"
        assert (response.status_code, response.headers["location"]) == (303, expected)
