"""What the operator may do: adjustments, parked events, and nobody else may."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from atlas_contracts.billing import BillingEvent
from support.ingest import Ingest

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
def test_an_idempotency_key_that_said_something_else_is_refused(shared_ingest: Ingest, change: dict) -> None:
    key, stored = f"k-{secrets.token_hex(8)}", len(shared_ingest.stored())
    said = SAID | {"idempotencyKey": key}
    assert shared_ingest.operator("POST", "/operator/adjustments", said).json["data"]["appended"] is True
    answer = shared_ingest.operator("POST", "/operator/adjustments", said | change)
    assert (answer.status, answer.json["error"]["code"]) == (409, "invalid_request")
    assert answer.json["error"]["message"] == (
        "This idempotency key was used before for another user, action, payment or reason. Nothing was changed."
    )
    assert len(shared_ingest.stored()) == stored + 1
    again = shared_ingest.operator("POST", "/operator/adjustments", said | {"operator": "bob", "ticket": "T-1"})
    assert again.json["data"] == {"eventId": f"manual:{key}:entitlement_granted", "appended": False}


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
