"""What may change in events without a newer schema version, and what may not (docs/decisions/0010)."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from atlas_contracts.billing import (
    BillingData,
    BillingEvent,
    BillingOutline,
    KeptEvent,
    Provider,
    Via,
    read_billing_event,
)
from atlas_contracts.cloudevents import SCHEMA_VERSION
from atlas_kit.messaging.events import billing_event, encode
from support.facts import Purchase


def wire(**data) -> bytes:
    event = json.loads(Purchase("ada").paid(at=0).wire)
    event["data"] |= data
    return json.dumps(event).encode()


def test_a_new_value_of_an_enumeration_is_a_newer_schema_version():
    """An older reader knows these and no others: whoever adds one raises SCHEMA_VERSION, and says so in events that use it."""
    adjusted = BillingData.model_fields["adjustment"].annotation.__args__[0].model_fields["action"].annotation.__args__
    assert (SCHEMA_VERSION, {*Provider}, {*Via}, BillingData.model_fields["plan_type"].annotation.__args__, adjusted) == (
        3,
        {"manual", "stripe", "ios_iap", "android_iap"},
        {"webhook", "pull", "confirm", "restore", "checkout", "operator", "backfill", "import"},
        ("one_time", "subscription"),
        ("grant", "revoke", "revoke_payment", "undo_revoke_payment"),
    )


def test_what_every_version_says_is_never_less():
    assert set(BillingOutline.model_fields) >= {
        "event_id", "provider", "provider_event_id", "user_id", "product_key", "plan_type", "occurred_at", "received_at",
        "via", "payload_hash", "signature_verified", "schema_version", "refs",
    }  # fmt: skip


def test_new_optional_fields_need_no_newer_version():
    event = read_billing_event(wire(novelty={"a": 1}))
    assert isinstance(event, BillingEvent)
    assert event.data.checkout_session


@pytest.mark.parametrize("change", [{"provider": "paddle"}, {"planType": "rent"}, {"charge": "as never before"}])
def test_what_this_version_can_not_read_is_an_event_only_when_it_says_that_it_is_newer(change):
    with pytest.raises(ValidationError):
        read_billing_event(wire(**change))
    kept = read_billing_event(wire(**change, schemaVersion=SCHEMA_VERSION + 1))
    assert isinstance(kept, KeptEvent)
    assert (kept.data.user_id, kept.data.schema_version) == ("ada", SCHEMA_VERSION + 1)


@pytest.mark.parametrize("change", [{"providerEventId": ""}, {"occurredAt": "soon"}, {"refs": None}, {"signatureVerified": "yes"}])
def test_without_what_every_version_says_it_is_no_event(change):
    with pytest.raises(ValidationError):
        read_billing_event(wire(**change, schemaVersion=SCHEMA_VERSION + 1))


def test_a_door_that_this_version_does_not_know_is_read_like_any_other():
    event = read_billing_event(wire(via="batch"))
    assert isinstance(event, BillingEvent)
    assert event.data.via == "batch"


@pytest.mark.parametrize("via", list(Via))
def test_only_what_came_by_a_door_that_older_readers_do_not_know_says_that_they_must_keep_it(via):
    """Readers of schema version 2 knew six doors, and no event by another one."""
    told = json.loads(encode(billing_event(Purchase("ada").read(at=0, via=via).data, "test")))["data"]
    assert (told["via"], told["schemaVersion"]) == (via, 3 if via in ("backfill", "import") else 1)
