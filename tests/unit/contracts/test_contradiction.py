"""The same provider event once more: what is an honest repetition, and what contradicts the first."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from atlas_contracts.billing import Via
from atlas_contracts.contradiction import contradiction
from atlas_stripe.arrival import Arrival
from atlas_stripe.mapping import from_event
from support.stripe_events import event, purchase, session

FIRST = purchase()


def data(told: dict[str, Any], via: Via = Via.WEBHOOK) -> dict[str, Any]:
    arrival = Arrival(via, datetime.now(UTC), f"sha256:{hash(str(told))}", signature_verified=via is Via.WEBHOOK)
    said: dict[str, Any] = json.loads(from_event(told, arrival).model_dump_json(by_alias=True))
    return said


def changed(**changes: Any) -> dict[str, Any]:
    return {**FIRST, "data": {"object": {**FIRST["data"]["object"], **changes}}}


@pytest.mark.parametrize(
    "again",
    [
        FIRST,
        {**FIRST, "pending_webhooks": 7, "request": {"id": "req_1"}},
        changed(url=None, customer_details={"email": "other@example.com"}),
        changed(payment_intent={"id": FIRST["data"]["object"]["payment_intent"], "object": "payment_intent"}),
    ],
    ids=["byte for byte", "other pending webhooks", "what nobody reads", "an expanded reference"],
)
def test_an_honest_repetition_contradicts_nothing(again: dict[str, Any]) -> None:
    assert contradiction(data(FIRST), data(again, Via.PULL)) is None


@pytest.mark.parametrize(
    ("again", "name"),
    [
        (changed(amount_total=1), "checkoutSession.amountTotal"),
        (changed(payment_intent="pi_other"), "refs.paymentIntentId"),
        (changed(client_reference_id=None, metadata={"userId": "mallory", "productKey": "pro_lifetime_v1"}), "userId"),
        ({**FIRST, "created": FIRST["created"] + 1}, None),
    ],
)
def test_other_facts_under_the_same_id_are_named(again: dict[str, Any], name: str | None) -> None:
    found = contradiction(data(FIRST), data(again))
    assert found == name if name else found


def test_a_field_that_only_one_of_them_knows_is_no_contradiction() -> None:
    """An older version of this code stored less, another API version renders less."""
    older = data(FIRST)
    del older["checkoutSession"]["amountSubtotal"], older["fraudWarning"]
    newer = data(FIRST)
    newer["checkoutSession"] |= {"amountSubtotal": 1900, "novelty": 1}
    assert contradiction(older, newer) is None
    assert contradiction(newer, older) is None
    without = data(event("checkout.session.completed", session(currency=None), id=FIRST["id"]))
    assert contradiction({**without, "refs": {}}, {**without, "checkoutSession": None}) is None
