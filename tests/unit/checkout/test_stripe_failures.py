"""One function decides what the caller hears when Stripe fails."""

from __future__ import annotations

import pytest

from atlas_stripe.failure import StripeFailure, as_unavailable


@pytest.mark.parametrize("status", [None, 400, 401, 403, 404, 409, 500, 502, 503])
def test_every_failure_is_503_with_the_routes_own_message(status):
    error = as_unavailable(StripeFailure(status=status, code="secret_code", param="p"), "Away.")
    assert (error.http_status, error.code, error.message, error.recovery) == (503, "internal_error", "Away.", "retry_later")
    assert "retry-after" not in error.headers


@pytest.mark.parametrize(("told", "heard"), [("17", "17"), (None, "5")])
def test_too_many_requests_says_when_to_come_back(told, heard):
    assert as_unavailable(StripeFailure(status=429, retry_after=told), "Away.").headers == {"retry-after": heard}


@pytest.mark.parametrize(
    ("status", "final"),
    [(None, False), (401, False), (403, False), (409, False), (429, False), (400, True), (402, True), (404, True), (500, True), (503, True)],
)
def test_what_stripe_will_answer_again_under_the_same_key_is_final(status, final):
    assert StripeFailure(status=status).is_final is final
