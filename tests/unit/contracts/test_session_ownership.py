"""Whose a checkout session is, and why a paid one may not grant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from atlas_contracts.billing import CheckoutSessionFacts, Offer
from atlas_contracts.session_ownership import Record, Rules, is_somebody_elses, recorded_offers, why_not_ours

RECORD = Record("ada", recorded_offers(4900, "usd", [Offer(amount=4900, currency="usd"), Offer(amount=4500, currency="eur")]))


def session(**told: Any) -> CheckoutSessionFacts:
    said = {
        "id": "cs_1", "status": "complete", "payment_status": "paid", "mode": "payment", "amount_subtotal": 4900,
        "amount_total": 4900, "currency": "usd", "livemode": False, "payment_link": False,
        "product_key": "pro_lifetime_v1", "paid_at": datetime(2026, 11, 26, tzinfo=UTC), **told,
    }  # fmt: skip
    return CheckoutSessionFacts(**said)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, None),
        ({"amount_subtotal": 4500, "amount_total": 4500, "currency": "eur"}, None),
        ({"amount_subtotal": 4400, "amount_total": 4400, "currency": "eur"}, "other_amount_than_recorded"),
        ({"amount_subtotal": 4900, "amount_total": 4900, "currency": "eur"}, "other_amount_than_recorded"),
        ({"amount_subtotal": 4500, "amount_total": 4500, "currency": "gbp"}, "other_currency_than_recorded"),
        ({"amount_total": 5390}, None),  # with tax
        ({"amount_total": 2450}, None),  # with a promotion code
        ({"amount_subtotal": None}, None),
        ({"amount_subtotal": None, "amount_total": 5390}, "other_amount_than_recorded"),
        ({"payment_status": "no_payment_required", "amount_total": 0}, None),
        ({"mode": "subscription"}, "not_a_one_time_payment"),
        ({"payment_link": True}, "made_by_a_payment_link"),
        ({"product_key": "pro_other"}, "other_product"),
    ],
)
def test_a_recorded_session_must_be_one_of_the_offers(told: dict[str, Any], reason: str | None) -> None:
    assert why_not_ours(session(**told), "ada", RECORD, Rules()) == reason


def test_a_recorded_session_is_its_users_alone() -> None:
    assert why_not_ours(session(), "bob", RECORD, Rules()) == "other_user_than_recorded"
    assert why_not_ours(session(), None, RECORD, Rules()) == "no_user_in_metadata"


@pytest.mark.parametrize(
    ("told", "rules", "reason"),
    [
        ({"amount_total": 1}, Rules(), None),
        ({"amount_total": 0}, Rules(), "no_amount"),
        ({"currency": "eur"}, Rules(), "other_currency"),
        ({"currency": "eur"}, Rules(currencies=("usd", "eur")), None),
        ({}, Rules(require_known_session=True), "unknown_session"),
        ({}, Rules(livemode=True), "other_livemode"),
    ],
)
def test_an_unrecorded_session_is_held_to_the_operators_rules(told: dict[str, Any], rules: Rules, reason: str) -> None:
    assert why_not_ours(session(**told), "ada", None, rules) == reason


def test_another_product_that_we_never_sold_is_nobodys_review() -> None:
    assert is_somebody_elses("pro_other", recorded=False)
    assert not is_somebody_elses("pro_other", recorded=True)
    assert not is_somebody_elses(None, recorded=False)
