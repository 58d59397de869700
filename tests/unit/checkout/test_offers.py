"""What a price offers, and which open sessions still sell that."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_contracts.billing import Offer
from checkout.offers import offers_of, read_back, written
from checkout.session_parameters import SessionOptions, options_in

USD, EUR = Offer(amount=4900, currency="usd"), Offer(amount=4500, currency="eur")


@pytest.mark.parametrize(
    ("options", "offers"),
    [
        (None, (USD,)),
        ({"usd": {"unit_amount": 4900}}, (USD,)),
        ({"usd": {"unit_amount": 4900}, "eur": {"unit_amount": 4500}}, (USD, EUR)),
        ({"eur": {"unit_amount": None, "unit_amount_decimal": "4500.5"}}, (USD,)),
        ({"eur": {"custom_unit_amount": {}, "unit_amount": None}}, (USD,)),
    ],
)
def test_every_currency_with_a_whole_amount_is_an_offer(options: Any, offers: tuple[Offer, ...]) -> None:
    price = {"id": "price_1", "currency": "usd", "unit_amount": 4900, "currency_options": options}
    assert offers_of(price) == offers


def test_a_price_without_an_amount_offers_nothing_that_could_be_compared() -> None:
    assert offers_of({"currency": "usd", "unit_amount": None}) == ()


def test_offers_survive_the_database() -> None:
    assert read_back(written((USD, EUR))) == (USD, EUR)
    assert read_back(None) is None


def test_options_are_off_until_they_are_wanted() -> None:
    assert SessionOptions().parameters() == {}
    assert SessionOptions(promotion_codes=True).parameters() == {"allow_promotion_codes": True}
    assert SessionOptions(automatic_tax=True).parameters() == {
        "automatic_tax": {"enabled": True},
        "customer_update": {"address": "auto"},
    }
    everything = SessionOptions(automatic_tax=True, tax_id_collection=True, promotion_codes=True).parameters()
    assert everything["tax_id_collection"] == {"enabled": True}
    assert everything["customer_update"] == {"address": "auto", "name": "auto"}
    assert options_in({"mode": "payment", **everything}) == everything
