"""What can never succeed is dismissed: off the list, kept with who and why, in every replica and after a restart."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from atlas_contracts.callers import forget_path
from atlas_contracts.internal_api import CHECKOUT_SERVICE, INGEST_SERVICE
from support import identity
from support.ingest import Answer, Ingest, running_ingest
from support.stripe_events import purchase, session

WHY = {"reason": "two names, refunded by hand", "operator": "grace"}


def contradicting(user: str) -> dict[str, Any]:
    """An event that names two users and is parked for it."""
    return purchase(data={"object": session(metadata={"userId": user, "productKey": "pro_lifetime"}, client_reference_id="eve")})


def forget(ingest: Ingest, user: str) -> Answer:
    token = identity.token(CHECKOUT_SERVICE, INGEST_SERVICE, user)
    return ingest.request("POST", forget_path(user), None, {"Authorization": f"Bearer {token}"})


def listed(ingest: Ingest) -> list[str]:
    return [row["id"] for row in ingest.operator("GET", "/operator/parked").json["data"]]


def kept(ingest: Ingest, user: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ingest.operator("GET", f"/operator/kept?user={quote(user)}").json["data"]
    return rows


def dismissed(ingest: Ingest) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ingest.operator("GET", "/operator/parked?dismissed=true").json["data"]
    return rows


def test_a_dismissed_event_leaves_the_list_and_is_kept_with_who_and_why(nats_url: str) -> None:
    event = contradicting("ada")
    with running_ingest(nats_url) as one, running_ingest(nats_url) as two:
        one.deliver(event)
        (row,) = one.operator("GET", "/operator/parked").json["data"]
        assert row["hopeless"] == "client_reference_id names another user than metadata.userId."
        path = f"/operator/parked/{row['id']}"
        note = one.operator("POST", f"{path}/dismiss", WHY).json["data"]
        assert (note["reason"], note["operator"]) == (WHY["reason"], "grace")
        assert listed(two) == []
        again = two.operator("POST", f"{path}/dismiss", {"reason": "another", "operator": "joan"}).json["data"]
        assert again == note, "the first word is kept"
    with running_ingest(nats_url) as later:
        assert listed(later) == []
        assert [each["dismissed"] for each in dismissed(later)] == [{**WHY, "at": note["at"]}]
        assert later.operator("GET", path).json["data"]["dismissed"]["operator"] == "grace"
        assert kept(later, "ada")[0]["dismissed"]["reason"] == WHY["reason"]


def test_another_try_that_succeeds_ends_a_dismissal(ingest: Ingest) -> None:
    ingest.deliver(purchase(data={"object": session(note="a\0b")}))
    (row,) = ingest.operator("GET", "/operator/parked").json["data"]
    assert row["hopeless"] is None
    assert ingest.operator("POST", f"/operator/parked/{row['id']}/dismiss", WHY).status == 200
    assert ingest.operator("POST", f"/operator/parked/{row['id']}/redrive", {}).status == 200
    assert (listed(ingest), dismissed(ingest)) == ([], [])


def test_a_dismissal_without_a_reason_or_a_name_and_one_of_nothing_change_nothing(ingest: Ingest) -> None:
    ingest.deliver(contradicting("ada"))
    (parked_id,) = listed(ingest)
    path = f"/operator/parked/{parked_id}/dismiss"
    for body in ({}, {**WHY, "reason": ""}, {**WHY, "reason": "r" * 501}, {**WHY, "operator": ""}, {"reason": "x"}):
        assert ingest.operator("POST", path, body).status == 400, body
    assert ingest.operator("POST", "/operator/parked/pk_nothing/dismiss", WHY).status == 404
    assert listed(ingest) == [parked_id]


def test_a_forgotten_user_leaves_dismissed_events_and_the_words_about_them_too(ingest: Ingest) -> None:
    ingest.deliver(contradicting("ada"))
    ingest.deliver(contradicting("joan"))
    first, second = listed(ingest)
    ingest.operator("POST", f"/operator/parked/{first}/dismiss", WHY)
    ingest.operator("POST", f"/operator/parked/{second}/dismiss", {**WHY, "reason": "paid by mallory, not by joan"})
    assert forget(ingest, "ada").json["parked"] == 1
    assert [row["id"] for row in dismissed(ingest)] == [second]
    assert forget(ingest, "mallory").json["parked"] == 1
    assert (dismissed(ingest), kept(ingest, "joan")) == ([], [])
