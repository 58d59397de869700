"""The published schemas say what the models say, and real events keep to them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from atlas_contracts import schema_documents
from atlas_contracts.billing import BillingType
from atlas_contracts.entitlements import EntitlementType
from support.stripe_events import charge, dispute, event, purchase, refund, session

DOCUMENTS = schema_documents.documents()


def test_the_committed_documents_are_current() -> None:
    assert schema_documents.outdated(schema_documents.PROJECT) == []


def test_a_changed_a_missing_and_a_stray_document_are_noticed(tmp_path: Path) -> None:
    schema_documents.write(tmp_path)
    assert schema_documents.outdated(tmp_path) == []
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "schemas" / "public_api.json").unlink()
    (tmp_path / "schemas" / "billing.v1.gone.json").write_text("{}")
    assert schema_documents.outdated(tmp_path) == [
        "asyncapi.json",
        "schemas/billing.v1.gone.json",
        "schemas/public_api.json",
    ]
    command = [sys.executable, "-m", "atlas_contracts.schema_documents", "--check", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    schema_documents.write(tmp_path)
    assert subprocess.run(command, check=False).returncode == 0


def test_every_type_has_a_schema() -> None:
    for kind in BillingType:
        assert f"schemas/billing.v1.{kind}.json" in DOCUMENTS
    for kind in EntitlementType:
        assert f"schemas/entitlements.v1.{kind}.json" in DOCUMENTS


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.startswith("schemas/")])
def test_every_schema_is_a_schema(path: str) -> None:
    jsonschema.Draft202012Validator.check_schema(DOCUMENTS[path])


def _published(stripe_event: dict) -> dict:
    from datetime import UTC, datetime

    from atlas_contracts.billing import Via
    from atlas_kit.messaging.events import encode
    from atlas_stripe.arrival import Arrival
    from webhook_ingest.use_cases.admit import normalize

    arrival = Arrival(Via.WEBHOOK, datetime.now(UTC), "sha256:00", signature_verified=True)
    return json.loads(encode(normalize(stripe_event, arrival)))


@pytest.mark.parametrize(
    "told",
    [
        purchase(),
        event("checkout.session.completed", session(payment_status="unpaid", payment_intent=None)),
        event("checkout.session.expired", session(status="expired", payment_status="unpaid")),
        event("checkout.session.async_payment_failed", session(payment_status="unpaid")),
        event("charge.refunded", charge()),
        event("refund.created", refund()),
        event("refund.failed", refund(status="failed")),
        event("charge.dispute.created", dispute()),
        event("charge.dispute.updated", dispute(reason=None)),
        event("charge.dispute.closed", dispute(status="won")),
        event("charge.dispute.closed", dispute(status="lost")),
    ],
    ids=lambda told: told["type"],
)
def test_what_is_published_validates_against_its_schema_and_no_other(told: dict) -> None:
    published = _published(told)
    subject = published["type"].removeprefix("atlas.")
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.validate(
        published, DOCUMENTS[f"schemas/{subject}.json"], jsonschema.Draft202012Validator, format_checker=checker
    )
    other = "billing.v1.restore_failed"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(published, DOCUMENTS[f"schemas/{other}.json"])


def test_what_is_parked_validates_against_its_schema() -> None:
    from datetime import UTC, datetime

    from atlas_kit.messaging.events import encode
    from atlas_stripe.objects import Unmappable
    from webhook_ingest.adapters.parked_stripe_event import parked_stripe_event

    parked = parked_stripe_event(purchase(), Unmappable("malformed_object", "No."), datetime.now(UTC))
    jsonschema.validate(json.loads(encode(parked)), DOCUMENTS["schemas/parked.v1.event.json"])


def test_an_event_without_its_facts_does_not_validate() -> None:
    published = _published(purchase())
    published["data"]["checkoutSession"] = None
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(published, DOCUMENTS["schemas/billing.v1.purchase_succeeded.json"])


def test_the_asyncapi_document_names_every_channel_and_refers_to_schemas_that_exist() -> None:
    document = DOCUMENTS["asyncapi.json"]
    assert document["asyncapi"] == "3.0.0"
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {f"billing.v1.{kind}" for kind in BillingType} <= addresses
    assert {f"entitlements.v1.{kind}" for kind in EntitlementType} <= addresses
    assert {"parked.v1.{reason}", "parked.v1.redriven"} <= addresses
    for message in document["components"]["messages"].values():
        assert message["payload"]["schema"]["$ref"] in DOCUMENTS
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]
    for channel in document["channels"].values():
        for message in channel["messages"].values():
            assert message["$ref"].removeprefix("#/components/messages/") in document["components"]["messages"]
