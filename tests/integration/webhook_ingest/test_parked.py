"""What is parked: listed, shown, and sent on its way again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from atlas_contracts.billing import BillingEvent
from atlas_contracts.cloudevents import SCHEMA_VERSION
from atlas_contracts.parked import ParkedData, ParkedEvent
from support.ingest import Ingest
from support.stripe_events import purchase, session


def _contradicting() -> dict:
    return purchase(data={"object": session(client_reference_id="somebody_else")})


def test_a_parked_event_is_listed_and_shown(ingest: Ingest) -> None:
    event = _contradicting()
    ingest.deliver(event)
    (row,) = ingest.operator("GET", "/operator/parked").json["data"]
    assert row["reason"] == "contradicting_user"
    assert row["eventId"] == f"stripe:{event['id']}"
    assert row["subject"] == "checkout.session.completed"
    assert row["at"].endswith("Z")
    shown = ingest.operator("GET", f"/operator/parked/{row['id']}").json["data"]
    assert shown["detail"] == "client_reference_id names another user than metadata.userId."
    assert shown["payload"]["data"]["object"]["client_reference_id"] == "somebody_else"
    assert shown["redriven"] == []
    assert ingest.logged("billing.event.parked")[0]["eventId"] == f"stripe:{event['id']}"


def test_what_is_parked_holds_no_personal_data(ingest: Ingest) -> None:
    event = _contradicting()
    event["data"]["object"]["url"] = "https://checkout.stripe.com/c/pay/secret"
    ingest.deliver(event)
    ((body, _),) = ingest.messages("PARKED")
    assert json.loads(body)["data"]["eventId"] == f"stripe:{event['id']}"
    for personal in (b"buyer@example.com", b"A Buyer", b"checkout.stripe.com"):
        assert personal not in body


def test_a_parked_event_that_is_not_there_is_not_found(shared_ingest: Ingest) -> None:
    for method, path in (("GET", "/operator/parked/pk_nothing"), ("POST", "/operator/parked/pk_nothing/redrive")):
        answer = shared_ingest.operator(method, path, {} if method == "POST" else None)
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


def test_what_still_makes_no_sense_stays_parked(ingest: Ingest) -> None:
    ingest.deliver(_contradicting())
    (row,) = ingest.operator("GET", "/operator/parked").json["data"]
    answer = ingest.operator("POST", f"/operator/parked/{row['id']}/redrive", {})
    assert answer.status == 409
    assert answer.json["error"]["message"] == (
        "This event still can't be processed: client_reference_id names another user than metadata.userId."
    )
    assert ingest.operator("GET", "/operator/parked").json["data"] == [row]
    assert ingest.stored() == []


def test_a_stripe_event_that_makes_sense_by_now_is_published_under_a_fresh_message_id(ingest: Ingest) -> None:
    """U+0000 stood in a field that nobody keeps; what was kept maps."""
    event = purchase(data={"object": session(note="a\0b")})
    ingest.deliver(event)
    (row,) = ingest.operator("GET", "/operator/parked").json["data"]
    event_id = f"stripe:{event['id']}:purchase_succeeded"
    redriven = ingest.operator("POST", f"/operator/parked/{row['id']}/redrive", {}).json["data"]
    assert redriven["eventId"] == event_id
    ((body, headers),) = ingest.messages()
    stored = BillingEvent.model_validate_json(body)
    assert headers["Nats-Msg-Id"] == stored.id == redriven["messageId"]
    assert stored.id.startswith("redrive:") and stored.id.endswith(event_id)
    assert stored.data.event_id == event_id
    assert stored.data.provider_event_id == event["id"]
    assert stored.data.via == "operator"
    assert ingest.operator("GET", "/operator/parked").json["data"] == []
    assert len(ingest.operator("GET", f"/operator/parked/{row['id']}").json["data"]["redriven"]) == 1


def test_a_billing_event_takes_effect_again_in_spite_of_the_dedupe_window(ingest: Ingest) -> None:
    ingest.deliver(purchase())
    (original,) = ingest.stored()
    _park(ingest, original, "pk_ledger")
    for number in (2, 3):
        redriven = ingest.operator("POST", "/operator/parked/pk_ledger/redrive", {})
        assert redriven.status == 200
        assert len(ingest.stored()) == number
    assert [event["data"] for event in ingest.stored()] == [original["data"]] * 3
    assert len({event["id"] for event in ingest.stored()}) == 3


@pytest.mark.parametrize("version", [1, SCHEMA_VERSION + 1])
def test_what_a_newer_version_told_is_given_back_whole(ingest: Ingest, version: int) -> None:
    """The door may be older than the service that parked it."""
    ingest.deliver(purchase())
    (original,) = ingest.stored()
    original["data"] |= {"schemaVersion": version, "novelty": {"a": [1]}}
    original["data"]["checkoutSession"] |= {"tax": 5} if version == 1 else {"amountTotal": {"usd": 9}}
    _park(ingest, original, "pk_newer")
    assert ingest.operator("POST", "/operator/parked/pk_newer/redrive", {}).status == 200
    assert ingest.stored()[1]["data"] == original["data"]


def test_a_copy_that_nobody_published_is_never_redriven(ingest: Ingest) -> None:
    ingest.deliver(purchase())
    (original,) = ingest.stored()
    _park(ingest, original, "pk_copy", "copied_event")
    assert ingest.operator("POST", "/operator/parked/pk_copy/redrive", {}).status == 409
    assert ingest.stored() == [original]


def test_an_event_parked_again_after_its_redrive_waits_again(ingest: Ingest) -> None:
    ingest.deliver(purchase())
    (original,) = ingest.stored()
    _park(ingest, original, "pk_again")
    ingest.operator("POST", "/operator/parked/pk_again/redrive", {})
    assert ingest.operator("GET", "/operator/parked").json["data"] == []
    _park(ingest, original, "pk_again")
    assert [row["id"] for row in ingest.operator("GET", "/operator/parked").json["data"]] == ["pk_again"]


def test_more_parked_events_than_one_read_brings_are_all_listed_in_order(ingest: Ingest) -> None:
    events = [_contradicting() for _ in range(600)]
    with ThreadPoolExecutor(32) as pool:
        assert {answer.status for answer in pool.map(ingest.deliver, events)} == {200}
    rows = ingest.operator("GET", "/operator/parked").json["data"]
    assert {row["eventId"] for row in rows} == {f"stripe:{event['id']}" for event in events}
    assert [row["id"] for row in rows] == [event["data"]["id"] for event in ingest.stored("PARKED")]


def test_an_unreadable_message_in_the_stream_hides_nothing(ingest: Ingest) -> None:
    async def junk(client):
        await client.jetstream().publish("parked.v1.junk", b"\xff no JSON")

    ingest.ask(junk)
    ingest.deliver(_contradicting())
    assert len(ingest.operator("GET", "/operator/parked").json["data"]) == 1


def test_what_others_parked_is_listed_as_text(ingest: Ingest) -> None:
    ingest.deliver(purchase())
    (original,) = ingest.stored()
    original["data"]["eventId"] = "stripe:evt\x1b[31m\u202e[/x]:x"
    _park(ingest, original, "pk_hostile")
    (row,) = ingest.operator("GET", "/operator/parked").json["data"]
    assert row["eventId"] == "stripe:evt\\x1b[31m\\u202e[/x]:x"


def _park(ingest: Ingest, event: dict, parked_id: str, reason: str = "session_not_ours") -> None:
    """As the entitlements service parks what its ledger refuses."""
    at = event["time"]
    data = ParkedData.model_validate(
        {"id": parked_id, "kind": "billing_event", "reason": reason, "detail": "No.", "subject": "billing.v1.purchase_succeeded",
         "eventId": event["data"]["eventId"], "at": at, "payload": event}
    )  # fmt: skip
    parked = ParkedEvent.model_validate(
        {"id": f"parked:{parked_id}", "source": "/atlas/entitlements", "type": "atlas.parked.v1.session_not_ours", "time": at, "data": data}
    )

    async def publish(client):
        await client.jetstream().publish("parked.v1.session_not_ours", parked.model_dump_json(by_alias=True).encode())

    ingest.ask(publish)
