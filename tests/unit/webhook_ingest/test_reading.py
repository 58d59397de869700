"""From signed bytes to a canonical fact or a refusal: no input makes any other exception."""

from __future__ import annotations

import asyncio
import copy
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_contracts.billing import BillingEvent, Via
from atlas_contracts.parked import ParkedEvent
from atlas_kit.messaging.broker import Stored
from atlas_kit.messaging.events import encode
from atlas_stripe.arrival import Arrival
from atlas_stripe.envelope import InvalidPayload, holds_nul, read_event
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES
from atlas_stripe.objects import Unmappable
from support.stripe_events import body_of, charge, dispute, event, purchase, refund, session
from webhook_ingest.adapters.parked_stripe_event import parked_stripe_event
from webhook_ingest.domain.retained import retained
from webhook_ingest.use_cases.admit import Admission, Door, normalize

ARRIVAL = Arrival(Via.WEBHOOK, datetime(2026, 11, 23, tzinfo=UTC), "sha256:00", signature_verified=True)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**15, 10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]) | st.just("\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BASES = [session(), charge(), refund(), dispute()]


class Recorder:
    """A broker that takes everything."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes, str]] = []

    async def publish(self, subject: str, payload: bytes, message_id: str) -> Stored:
        known = any(message_id == known for _, _, known in self.messages)
        self.messages.append((subject, payload, message_id))
        return Stored(len(self.messages), known)


@settings(max_examples=400)
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_event_or_an_invalid_payload(body: bytes) -> None:
    try:
        found = read_event(body)
    except InvalidPayload as error:
        assert (error.http_status, error.message, error.recovery) == (400, "Invalid webhook payload.", "none")
    else:
        assert isinstance(found["id"], str) and isinstance(found["data"]["object"], dict)


@st.composite
def damaged_events(draw) -> dict:
    """Valid events with some members replaced, removed or added, anywhere."""
    told = copy.deepcopy(event(draw(st.sampled_from(SUPPORTED_EVENT_TYPES)), draw(st.sampled_from(BASES))))
    for _ in range(draw(st.integers(0, 4))):
        target = draw(st.sampled_from([told, told["data"]["object"]]))
        name = draw(st.sampled_from([*target, "metadata", "account", "latest_charge"]))
        if target is told and name in {"id", "type", "created", "data"}:
            continue
        if draw(st.booleans()):
            target.pop(name, None)
        else:
            target[name] = draw(JSON)
    if draw(st.booleans()):
        told["id"] = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
    if draw(st.booleans()):
        told["created"] = draw(st.integers())
    return told


@settings(max_examples=600)
@given(told=damaged_events())
def test_any_damaged_event_is_published_parked_or_ignored(told: dict) -> None:
    body = body_of(told)
    billing, parking = Recorder(), Recorder()
    door = Door(False, billing, parking)
    outcome = asyncio.run(door.admit(read_event(body), ARRIVAL, suspicious=holds_nul(body)))
    published = len(billing.messages) + len(parking.messages)
    assert published == (0 if outcome.admission is Admission.IGNORED else 1)
    assert outcome.reason != "unforeseen", "the mapping should have foreseen this"
    for subject, payload, message_id in billing.messages:
        fact = BillingEvent.model_validate_json(payload)
        assert subject == f"billing.v1.{fact.data.event_id.rsplit(':', 1)[1]}"
        assert message_id == fact.id == fact.data.event_id
        assert message_id.isascii() and message_id.isprintable()
        assert b"\\u0000" not in payload
    for subject, payload, message_id in parking.messages:
        data = ParkedEvent.model_validate_json(payload).data
        assert subject == f"parked.v1.{data.reason}" and subject.replace(".", "").replace("_", "").isalnum()
        assert message_id.isascii() and message_id.isprintable()
        assert len(payload) < 64 * 1024


@settings(max_examples=400)
@given(told=damaged_events())
def test_what_is_retained_of_an_event_means_the_same_as_the_whole(told: dict) -> None:
    def meaning(of: dict) -> object:
        try:
            return encode(normalize(of, ARRIVAL).model_copy(update={"traceparent": None, "requestid": None}))
        except Unmappable as refused:
            return refused.reason

    assert meaning(retained(told)) == meaning(told)


def test_what_is_retained_holds_no_personal_data_and_no_url() -> None:
    told = purchase()
    told["data"]["object"] |= {"url": "https://checkout.stripe.com/secret", "customer_email": "a@b.c", "client_secret": "x"}
    told["data"]["object"]["customer"] = {"id": "cus_1", "email": "buyer@example.com"}
    kept = json.dumps(retained(told))
    for personal in ("buyer@example.com", "A Buyer", "checkout.stripe.com", "a@b.c", "client_secret"):
        assert personal not in kept
    assert '"cus_1"' in kept


def test_a_parked_events_id_depends_on_the_stripe_event_alone() -> None:
    told = purchase()
    one = parked_stripe_event(told, Unmappable("a", "A."), datetime.now(UTC))
    two = parked_stripe_event({**told, "created": 5}, Unmappable("b", "B."), datetime.now(UTC))
    assert (one.id, one.data.id) == (two.id, two.data.id)
    assert parked_stripe_event(purchase(), Unmappable("a", "A."), datetime.now(UTC)).id != one.id


def test_an_unforeseen_failure_of_the_mapping_parks_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_event, _arrival):
        raise TypeError("a list where text was expected")

    monkeypatch.setattr("webhook_ingest.use_cases.admit.from_event", broken)
    billing, parking = Recorder(), Recorder()
    outcome = asyncio.run(Door(False, billing, parking).admit(purchase(), ARRIVAL))
    assert (outcome.parked, outcome.reason, billing.messages) == (True, "unforeseen", [])


@pytest.mark.parametrize(
    ("livemode", "told", "reason"),
    [
        (False, purchase(), None),
        (True, event("checkout.session.completed", session(livemode=True), livemode=True), None),
        (False, event("checkout.session.completed", session(livemode=True)), "other_mode"),
        (True, purchase(livemode=True), "other_mode"),
        (False, purchase(livemode=True), "other_mode"),
        (True, purchase(), "other_mode"),
        (False, purchase(account="acct_1"), "other_account"),
        (False, purchase(context="acct_other"), "other_account"),
        (False, purchase(context=["acct_ours"]), "other_account"),
        (False, purchase(account="acct_ours", context="acct_other"), "other_account"),
        (False, purchase(context="acct_ours"), None),
        (False, purchase(account="acct_ours", context="acct_ours"), None),
        (False, purchase(account=None, context=None), None),
        (False, event("customer.created", {}), "unsupported_type"),
        (False, {k: v for k, v in purchase().items() if k != "livemode"}, None),
    ],
)
def test_what_is_ours(livemode: bool, told: dict, reason: str | None) -> None:
    async def ours() -> str:
        return "acct_ours"

    door = Door(livemode, Recorder(), Recorder(), ours)
    assert asyncio.run(door.reason_to_ignore(told)) == reason


def test_while_our_account_is_unknown_an_event_that_names_any_is_not_ours() -> None:
    door = Door(False, Recorder(), Recorder())
    assert asyncio.run(door.reason_to_ignore(purchase(context="acct_ours"))) == "other_account"
    assert asyncio.run(door.reason_to_ignore(purchase())) is None


@pytest.mark.parametrize("event_id", ["", "evt\x1b[31m", "evt \u202e", "evt_é", "evt\x7f", "e v t", "x" * 201])
def test_an_event_id_that_is_no_visible_ascii_is_parked_and_shown_as_text(event_id: str) -> None:
    parking = Recorder()
    outcome = asyncio.run(Door(False, Recorder(), parking).admit(purchase(id=event_id), ARRIVAL))
    assert (outcome.admission, outcome.reason) == (Admission.ACCEPTED, "malformed_object")
    ((_, payload, message_id),) = parking.messages
    data = ParkedEvent.model_validate_json(payload).data
    assert data.detail == "id must be 1 to 200 visible ASCII characters."
    assert data.event_id.isprintable() and message_id.isprintable()


def test_u0000_is_found_only_where_it_is_one() -> None:
    for text, found in (("\0", True), ("a\0b", True), ("\\u0000", False), ("\\\0", True), ("u0000", False), ("\\\\u0000", False)):
        assert holds_nul(json.dumps({"x": text}).encode()) is found
