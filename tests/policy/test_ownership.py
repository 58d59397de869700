"""Which sessions are ours (CONTRACT 5, its last paragraphs), row by row; each row holds in every order of its facts."""

from __future__ import annotations

import pytest

from atlas_stripe.objects import Unmappable
from entitlements.domain.policy import Policy
from support.facts import Purchase
from support.folding import told


def refused(buy: Purchase, because: str, *more, policy: Policy | None = None, user: str = "ada") -> None:
    state = told(buy.paid(at=0), *more, policy=policy)
    assert state.status(user) == "none"
    assert state.judged(buy).rejected == because


def test_session_of_another_mode__does_not_grant():
    refused(Purchase(session={"mode": "subscription"}), "not_a_one_time_payment")


def test_session_made_by_a_payment_link__does_not_grant():
    refused(Purchase(session={"payment_link": "plink_1"}), "made_by_a_payment_link")


def test_session_of_the_other_livemode__does_not_grant():
    refused(Purchase(session={"livemode": True}), "other_livemode", policy=Policy(livemode=False))


def test_session_without_user_in_metadata__does_not_grant():
    refused(Purchase(session={"metadata": {"productKey": "pro_lifetime_v1"}}), "no_user_in_metadata")


def test_session_without_product_in_metadata__does_not_grant():
    refused(Purchase(session={"metadata": {"userId": "ada"}}), "other_product")


def test_session_of_another_product__does_not_grant():
    refused(Purchase(session={"metadata": {"userId": "ada", "productKey": "stickers"}}), "other_product")


def test_client_reference_id_alone__never_grants():
    buy = Purchase(session={"metadata": {}, "client_reference_id": "ada"})
    refused(buy, "no_user_in_metadata")


def test_client_reference_id_that_contradicts_the_metadata__parks_the_event():
    with pytest.raises(Unmappable) as refusal:
        Purchase("ada", session={"client_reference_id": "eve"}).paid(at=0)
    assert refusal.value.reason == "contradicting_user"


def test_recorded_session__with_everything_as_recorded__grants():
    buy = Purchase("ada")
    assert told(buy.recorded(), buy.paid(at=0)).status() == "active"


def test_recorded_session__of_another_user__does_not_grant():
    buy = Purchase("eve")
    state = told(buy.recorded(user="ada"), buy.paid(at=0))
    assert (state.status("eve"), state.status("ada")) == ("none", "none")
    assert state.judged(buy).rejected == "other_user_than_recorded"


def test_recorded_session__of_another_amount__does_not_grant():
    buy = Purchase("ada", amount=100)
    refused(buy, "other_amount_than_recorded", buy.recorded(amount=999))


def test_recorded_session__in_another_currency__does_not_grant():
    buy = Purchase("ada", session={"currency": "idr"})
    refused(buy, "other_currency_than_recorded", buy.recorded())


def test_recorded_session__made_free_by_a_coupon__is_judged_as_free():
    buy = Purchase("ada")
    assert told(buy.recorded(), buy.free(at=0), policy=Policy(grant_free_checkouts=True)).status() == "active"
    assert told(buy.recorded(), buy.free(at=0)).status() == "none"


def test_recorded_session__in_a_currency_of_its_own__grants():
    buy = Purchase("ada", session={"currency": "eur"})
    assert told(buy.recorded(currency="eur"), buy.paid(at=0)).status() == "active"


def test_unrecorded_session__its_amount_is_not_checked():
    assert told(Purchase(amount=1).paid(at=0)).status() == "active"


def test_unrecorded_session__in_another_currency__does_not_grant():
    refused(Purchase(session={"currency": "eur"}), "other_currency")
    assert told(Purchase(session={"currency": "eur"}).paid(at=0), policy=Policy(currencies=("usd", "eur"))).status() == "active"


@pytest.mark.parametrize("amount", [0, None])
def test_unrecorded_session__without_an_amount_above_zero__does_not_grant(amount):
    refused(Purchase(session={"amount_total": amount}), "no_amount")


def test_unrecorded_session__with_require_known_session__does_not_grant():
    buy = Purchase()
    known_only = Policy(require_known_session=True)
    refused(buy, "unknown_session", policy=known_only)
    assert told(buy.recorded(), buy.paid(at=0), policy=known_only).status() == "active"
