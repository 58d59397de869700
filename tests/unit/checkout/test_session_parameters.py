"""What Stripe is asked for."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from checkout.domain.session_parameters import known_source, session_parameters


@pytest.mark.parametrize(
    ("given", "known"),
    [("hero", "hero"), ("COMPARISON", "comparison"), (" Faq ", "faq"), ("direct", "direct"), ("", "direct"), (None, "direct"), ("x&y=1", "direct")],
)
def test_an_unknown_source_is_direct(given, known):
    assert known_source(given) == known


def parameters(user_id="user_1", origin="https://atlas.example"):
    return session_parameters(
        attempt_id=uuid.UUID(int=1), user_id=user_id, customer_id="cus_1", price_id="price_1", source="hero",
        origin=origin, expires_at=datetime(2026, 11, 23, tzinfo=UTC),
    )  # fmt: skip


def test_return_urls_come_from_the_configured_origin_alone():
    told = parameters(origin="https://pro.atlas.example")
    assert told["success_url"] == (
        "https://pro.atlas.example/account?checkout=success&source=hero&checkout_session_id={CHECKOUT_SESSION_ID}"
    )
    assert told["cancel_url"] == "https://pro.atlas.example/account?checkout=cancel&source=hero"


def test_whose_it_is_stands_on_session_and_payment():
    told = parameters()
    assert told["metadata"] == told["payment_intent_data"]["metadata"]
    assert told["metadata"]["userId"] == told["client_reference_id"] == "user_1"
    assert told["metadata"]["productKey"] == "pro_lifetime_v1"


def test_a_reference_that_stripe_would_refuse_is_left_out():
    assert "client_reference_id" not in parameters("a" * 201)
    assert parameters("a" * 201)["metadata"]["userId"] == "a" * 201


def test_the_same_attempt_asks_for_the_same():
    assert parameters() == parameters()
