"""Everything that the sandbox shows is what the types of Stripe's official npm package say, member by member."""

from __future__ import annotations

import json

import stripe
from tests.support.stripe_types.check import load, problems

from .raw import objects_in


def test_the_types_are_of_the_api_version_that_the_sandbox_speaks():
    assert load()["api_version"] == stripe.api_version


def test_every_object_and_event_is_of_its_type(lived):
    found = {problem: None for answer in lived.answers for problem in problems(answer)}
    assert not found, f"{len(found)} differences:\n" + "\n".join(sorted(found)[:400])


def test_the_life_shows_every_object_and_every_event_that_the_sandbox_knows(lived):
    shown = {item["object"] for item in objects_in(lived.answers)}
    missing = set(load()["objects"]) - shown
    assert missing <= {"discount"}
    events = {item["type"] for item in objects_in(lived.answers) if item["object"] == "event"}
    assert {"charge.refunded", "charge.dispute.closed", "invoice.paid", "product.updated", "price.updated"} <= events


def test_an_object_without_a_member_or_with_a_null_too_many_is_found_out(lived):
    """The check itself: it would be worth nothing if it let everything pass."""
    [refund, *_] = [item for item in objects_in(lived.answers) if item["object"] == "refund"]
    assert not problems(refund)
    lacking = json.loads(json.dumps(refund))
    del lacking["charge"]
    assert problems(lacking) == ["refund.charge: missing"]
    assert problems({**refund, "presentment_details": None})
    assert problems({**refund, "status": 7})
    assert problems({**refund, "pending_reason": "boredom"})
    assert problems({**refund, "colour": "red"}) == ["refund.colour: unknown"]
