"""Everything that the sandbox shows is what the types of Stripe's official npm package say, member by member."""

from __future__ import annotations

import json

import pytest
import stripe
from tests.support.stripe_types.check import load, problems

from .conftest import start
from .life import play
from .rare import play_rare
from .raw import Raw


@pytest.fixture(scope="module")
def lived():
    """The answers of a full life in a sandbox of its own."""
    sandbox = start()
    raw = Raw(sandbox.url)
    play(sandbox, raw)
    play_rare(sandbox, raw)
    yield raw.answers
    sandbox.stop()


def objects_in(value):
    """Each object, however deep."""
    if isinstance(value, list):
        for child in value:
            yield from objects_in(child)
    elif isinstance(value, dict):
        if isinstance(value.get("object"), str):
            yield value
        for child in value.values():
            yield from objects_in(child)


def test_the_types_are_of_the_api_version_that_the_sandbox_speaks():
    assert load()["api_version"] == stripe.api_version


def test_every_object_and_event_is_of_its_type(lived):
    found = {problem: None for answer in lived for problem in problems(answer)}
    assert not found, f"{len(found)} differences:\n" + "\n".join(sorted(found)[:400])


def test_the_life_shows_every_object_and_every_event_that_the_sandbox_knows(lived):
    shown = {item["object"] for item in objects_in(lived)}
    missing = set(load()["objects"]) - shown
    assert missing <= {"discount"}
    events = {item["type"] for item in objects_in(lived) if item["object"] == "event"}
    assert {"charge.refunded", "charge.dispute.closed", "invoice.paid", "product.updated", "price.updated"} <= events


def test_an_object_without_a_member_or_with_a_null_too_many_is_found_out(lived):
    """The check itself: it would be worth nothing if it let everything pass."""
    [refund, *_] = [item for item in objects_in(lived) if item["object"] == "refund"]
    assert not problems(refund)
    lacking = json.loads(json.dumps(refund))
    del lacking["charge"]
    assert problems(lacking) == ["refund.charge: missing"]
    assert problems({**refund, "presentment_details": None})
    assert problems({**refund, "status": 7})
    assert problems({**refund, "pending_reason": "boredom"})
    assert problems({**refund, "colour": "red"}) == ["refund.colour: unknown"]
