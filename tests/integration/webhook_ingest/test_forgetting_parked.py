"""A forgotten user's parked events are in no list and no redrive, in any replica, after any restart."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest

from atlas_contracts.callers import forget_path
from atlas_contracts.internal_api import CHECKOUT_SERVICE, INGEST_SERVICE
from atlas_contracts.parked import ParkedData, ParkedEvent
from support import identity
from support.ingest import Answer, Ingest, running_ingest
from support.stripe_events import purchase, session


@pytest.fixture
def user() -> str:
    return f"canary-{secrets.token_hex(6)}"


def contradicting(user: str, other: str = "somebody_else") -> dict[str, Any]:
    """An event that names two users and is parked for it."""
    return purchase(data={"object": session(metadata={"userId": user, "productKey": "pro_lifetime"}, client_reference_id=other)})


def forget(ingest: Ingest, user: str, *, issuer: str = CHECKOUT_SERVICE, subject: str | None = None) -> Answer:
    token = identity.token(issuer, INGEST_SERVICE, subject or user)
    return ingest.request("POST", forget_path(user), None, {"Authorization": f"Bearer {token}"})


def listed(ingest: Ingest) -> list[str]:
    return [row["id"] for row in ingest.operator("GET", "/operator/parked").json["data"]]


def kept(ingest: Ingest, user: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ingest.operator("GET", f"/operator/kept?user={quote(user)}").json["data"]
    return rows


def test_parked_events_of_a_forgotten_user_are_gone_everywhere_and_those_of_others_stay(ingest: Ingest, user: str) -> None:
    mine, others = contradicting(user), contradicting("ada", "eve")
    for event in (mine, others):
        assert ingest.deliver(event).status == 200
    parked_id, other_id = listed(ingest)
    assert [row["id"] for row in kept(ingest, user)] == [parked_id]
    assert kept(ingest, user)[0]["payload"]["id"] == mine["id"] and kept(ingest, user)[0]["redriven"] == []

    answer = forget(ingest, user)
    assert answer.status == 200, answer
    assert answer.json["parked"] == 1 and datetime.fromisoformat(answer.json["newest"]).tzinfo

    assert listed(ingest) == [other_id] and kept(ingest, user) == []
    for method, path in (("GET", f"/operator/parked/{parked_id}"), ("POST", f"/operator/parked/{parked_id}/redrive")):
        gone = ingest.operator(method, path, {} if method == "POST" else None)
        assert (gone.status, gone.json["error"]["code"]) == (404, "not_found")
    marker = ingest.stored("PARKED")[-1]
    assert marker["type"] == "atlas.parked.v1.forgotten" and user not in json.dumps(marker)
    again = forget(ingest, user)
    assert (again.json["parked"], again.json["newest"]) == (0, answer.json["newest"]), "its bytes are still there"
    assert user not in ingest.log.read_text()


def test_whoever_an_event_names_second_is_forgotten_too(ingest: Ingest, user: str) -> None:
    ingest.deliver(contradicting("ada", user))
    assert forget(ingest, user).json["parked"] == 1
    assert listed(ingest) == [] and kept(ingest, "ada") == []


def test_two_who_forget_at_once_another_replica_and_a_restart_all_agree(nats_url: str, user: str) -> None:
    with running_ingest(nats_url) as one, running_ingest(nats_url) as two:
        for _ in range(5):
            one.deliver(contradicting(user))
        one.deliver(contradicting("ada"))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda at: forget(at, user), [one, two] * 4))
        assert {answer.status for answer in answers} == {200}
        [left] = listed(one)
        assert listed(two) == [left]
        markers = [event for event in one.stored("PARKED") if event["type"].endswith(".forgotten")]
        assert len(markers) == 5, "the broker drops the second marker of an event"
    with running_ingest(nats_url) as later:
        assert listed(later) == [left]


def test_an_event_that_is_parked_once_more_after_forgetting_stays_hidden(ingest: Ingest, user: str) -> None:
    event = contradicting(user)
    ingest.deliver(event)
    [parked] = kept(ingest, user)
    forget(ingest, user)
    stored = ingest.stored("PARKED")[0]
    publish(ingest, {**stored, "id": "parked:after-the-dedupe-window"})
    assert listed(ingest) == []
    # Another event under the same parked id, as after the stream of facts was made anew, is not hidden.
    publish(ingest, {**stored, "id": "parked:another", "data": {**stored["data"], "eventId": "stripe:evt_another"}})
    assert listed(ingest) == [parked["id"]]


def test_an_event_that_is_no_json_is_searched_for_the_whole_id(ingest: Ingest) -> None:
    for number, text in enumerate(('{"userId": "7"', '{"userId": "77"')):
        data = ParkedData(
            id=f"billing-{number}", kind="billing_event", reason="unreadable", detail="It is not JSON.", subject="billing.v1.x",
            event_id=f"e{number}", at=datetime.fromisoformat("2026-11-26T10:00:00Z"), payload=text,
        )  # fmt: skip
        event = ParkedEvent(id=f"parked:{number}", source="/atlas/entitlements", type="atlas.parked.v1.unreadable", subject="x", time=data.at, data=data)
        publish(ingest, json.loads(event.model_dump_json(by_alias=True)), "parked.v1.unreadable")
    assert forget(ingest, "7").json["parked"] == 1
    assert listed(ingest) == ["billing-1"]


def test_somebody_of_whom_nothing_is_parked_is_a_success(shared_ingest: Ingest, user: str) -> None:
    assert forget(shared_ingest, user).json == {"parked": 0, "newest": None}


def test_the_door_is_open_to_checkout_for_the_tokens_own_user(shared_ingest: Ingest, user: str) -> None:
    assert forget(shared_ingest, user, subject="somebody-else").status == 403
    for issuer in ("operator", "atlas-web", "account-gateway", "entitlements"):
        assert forget(shared_ingest, user, issuer=issuer).status == 403


def publish(ingest: Ingest, event: dict[str, Any], subject: str = "parked.v1.contradicting_user") -> None:
    async def put(client: Any) -> None:
        await client.jetstream().publish(subject, json.dumps(event).encode(), headers={"Nats-Msg-Id": event["id"]})

    ingest.ask(put)
