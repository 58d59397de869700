"""What the operator may do: adjustments, parked events, and nobody else may."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from atlas_contracts.billing import BillingEvent
from atlas_contracts.cloudevents import SCHEMA_VERSION
from atlas_contracts.parked import ParkedData, ParkedEvent
from support.ingest import Ingest
from support.stripe_events import purchase, session

ROUTES = [
    ("POST", "/operator/pull", {}),
    ("POST", "/operator/adjustments", {"userId": "u", "action": "grant", "reason": "r", "idempotencyKey": "k"}),
    ("GET", "/operator/parked", None),
    ("GET", "/operator/pull", None),
    ("GET", "/operator/webhook-shares", None),
    ("GET", "/operator/parked/pk_1", None),
    ("POST", "/operator/parked/pk_1/redrive", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_without_a_token_nothing_is_answered(shared_ingest: Ingest, method: str, path: str, body) -> None:
    answer = shared_ingest.request(method, path, b"{}" if body is not None else None, {"Content-Type": "application/json"})
    assert answer.status == 401
    assert answer.json["error"] == {"code": "unauthorized", "message": "Not authenticated.", "recovery": "reauth"}


@pytest.mark.parametrize("issuer", ["account-gateway", "checkout", "entitlements", "webhook-ingest"])
@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_another_service_is_not_the_operator(shared_ingest: Ingest, method: str, path: str, body, issuer: str) -> None:
    assert shared_ingest.operator(method, path, body, issuer=issuer).status == 403


def test_a_grant_becomes_an_event_like_any_other(ingest: Ingest) -> None:
    request = {"userId": "user_1", "action": "grant", "reason": "a friend of the house", "operator": "ann", "idempotencyKey": "k-1"}
    answer = ingest.operator("POST", "/operator/adjustments", request)
    assert answer.json == {"ok": True, "data": {"eventId": "manual:k-1:entitlement_granted", "appended": True}}
    ((body, headers),) = ingest.messages()
    event = BillingEvent.model_validate_json(body)
    assert event.type == "atlas.billing.v1.entitlement_granted"
    assert event.subject == event.data.user_id == "user_1"
    assert (event.data.provider, event.data.provider_event_id, event.data.idempotency_key) == ("manual", "k-1", "k-1")
    assert event.data.via == "operator"
    assert event.data.adjustment and event.data.adjustment.reason == "a friend of the house"
    assert headers["Nats-Msg-Id"] == "manual:k-1:entitlement_granted"


def test_one_idempotency_key_is_one_adjustment(ingest: Ingest) -> None:
    request = {"userId": "user_1", "action": "revoke", "reason": "over", "idempotencyKey": "k-2"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ingest.operator("POST", "/operator/adjustments", request), range(8)))
    assert sorted(answer.json["data"]["appended"] for answer in answers) == [False] * 7 + [True]
    assert len(ingest.stored()) == 1


SAID = {"userId": "user_1", "action": "grant", "reason": "a gift", "idempotencyKey": "k-3"}


@pytest.mark.parametrize(
    "change",
    [
        {"action": "revoke"},
        {"userId": "user_2"},
        {"reason": "another"},
        {"action": "undo_revoke_payment", "paymentId": "pi_1"},
    ],
    ids=str,
)
def test_an_idempotency_key_that_said_something_else_is_refused(ingest: Ingest, change: dict) -> None:
    assert ingest.operator("POST", "/operator/adjustments", SAID).json["data"]["appended"] is True
    answer = ingest.operator("POST", "/operator/adjustments", SAID | change)
    assert (answer.status, answer.json["error"]["code"]) == (409, "invalid_request")
    assert answer.json["error"]["message"] == (
        "This idempotency key was used before for another user, action, payment or reason. Nothing was changed."
    )
    assert len(ingest.stored()) == 1
    again = ingest.operator("POST", "/operator/adjustments", SAID | {"operator": "bob", "ticket": "T-1"})
    assert again.json["data"] == {"eventId": "manual:k-3:entitlement_granted", "appended": False}


def test_a_claim_that_was_never_published_is_published_by_the_next_try(ingest: Ingest) -> None:
    """The ingest that claimed the key died before it published."""
    ingest.operator("POST", "/operator/adjustments", SAID)

    async def as_if_it_had_died(client):
        bucket = await client.jetstream().key_value("INGEST")
        (key,) = [key for key in await bucket.keys() if key.startswith("adjustment-")]
        claim = json.loads((await bucket.get(key)).value)
        assert "user_1" not in str(claim), "no identity is kept where forget doesn't look"
        await bucket.put(key, json.dumps(claim | {"done": False}).encode())

    ingest.ask(as_if_it_had_died)
    again = ingest.operator("POST", "/operator/adjustments", SAID)
    assert again.json["data"]["appended"] is False, "the broker knows it"
    assert ingest.operator("POST", "/operator/adjustments", SAID | {"action": "revoke"}).status == 409


@pytest.mark.parametrize(
    ("action", "payment", "canonical", "ref"),
    [
        ("revoke_payment", "pi_1", "entitlement_revoked", "paymentIntentId"),
        ("undo_revoke_payment", "cs_test_1", "entitlement_granted", "checkoutSessionId"),
    ],
)
def test_an_operators_word_about_one_payment_names_it(
    ingest: Ingest, action: str, payment: str, canonical: str, ref: str
) -> None:
    request = SAID | {"action": action, "paymentId": payment, "ticket": "T-7"}
    assert ingest.operator("POST", "/operator/adjustments", request).json["data"]["appended"] is True
    (stored,) = ingest.stored()
    assert stored["type"] == f"atlas.billing.v1.{canonical}"
    assert stored["data"]["schemaVersion"] == 2
    assert {name: value for name, value in stored["data"]["refs"].items() if value} == {ref: payment}
    adjustment = stored["data"]["adjustment"]
    assert (adjustment["action"], adjustment["ticket"]) == (action, "T-7")


@pytest.mark.parametrize(
    "change",
    [
        {"action": "revoke_payment"},
        {"action": "undo_revoke_payment", "paymentId": "ch_1"},
        {"action": "revoke_payment", "paymentId": "pi_1\n"},
        {"action": "grant", "paymentId": "pi_1"},
        {"reason": "a\x1b[2Jb"},
        {"userId": "\u3000mia"},
        {"userId": ""},
        {"userId": "a\nb"},
        {"userId": " a"},
        {"userId": None},
        {"action": "bless"},
        {"reason": ""},
        {"idempotencyKey": ""},
        {"idempotencyKey": "x" * 255},
        {"idempotencyKey": "k\r\nNats-Rollup: all"},
        {"idempotencyKey": "\U0001f600"},
    ],
    ids=str,
)
def test_a_senseless_adjustment_is_refused(shared_ingest: Ingest, change: dict) -> None:
    request = {"userId": "u", "action": "grant", "reason": "r", "idempotencyKey": "k"} | change
    answer = shared_ingest.operator("POST", "/operator/adjustments", request)
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_request")


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
