"""One event id with two contents: what came first holds, the second is parked and told (CONTRACT 11, "At the doors")."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_contracts.issuers import OPERATOR
from support.entitlements import Service, publish, running, token
from support.facts import Purchase
from support.ingest import Ingest, running_ingest
from support.stripe_events import purchase

DUPLICATE = {"received": True, "ignored": False, "appended": False, "dedupeReason": "provider_event_id"}


def changed(first: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**first, "data": {"object": {**first["data"]["object"], **changes}}}


def waiting(ingest: Ingest) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ingest.operator("GET", "/operator/parked").json["data"]
    return rows


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"amount_total": 1}, "checkoutSession.amountTotal"),
        ({"client_reference_id": None, "metadata": {"userId": "mallory", "productKey": "pro_lifetime_v1"}}, "userId"),
        ({"payment_status": "unpaid"}, "its type"),
    ],
)
def test_the_second_is_parked_told_and_has_no_effect(ingest: Ingest, changes: dict[str, Any], named: str) -> None:
    first = purchase()
    ingest.deliver(first)
    answer = ingest.deliver(changed(first, **changes))
    assert (answer.status, answer.json["data"]) == (200, DUPLICATE)
    assert len(ingest.stored()) == 1
    (row,) = waiting(ingest)
    assert (row["reason"], row["eventId"]) == ("changed_content", f"stripe:{first['id']}")
    assert row["detail"] == f"{named} differs from the first event with this id. The first one counts."
    assert [line["reason"] for line in ingest.logged("billing.event.parked")] == ["changed_content"]
    assert ingest.logged("billing.webhook.duplicate")[0]["reason"] == "changed_content"
    assert ingest.metric('atlas_events_parked_total{reason="changed_content"}') == 1
    refused = ingest.operator("POST", f"/operator/parked/{row['id']}/redrive", {})
    assert refused.status == 409 and "came first" in refused.json["error"]["message"]


def test_each_other_content_is_parked_once_however_often_it_comes(ingest: Ingest) -> None:
    first = purchase()
    ingest.deliver(first)
    others = [changed(first, amount_total=amount) for amount in (1, 2)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ingest.deliver, others * 6))
    assert all(answer.json["data"] == DUPLICATE for answer in answers)
    assert len(waiting(ingest)) == 2


def test_what_makes_no_sense_and_has_a_known_id_is_parked_for_that(ingest: Ingest) -> None:
    first = purchase()
    ingest.deliver(first)
    ingest.deliver(changed(first, currency="USD"))
    (row,) = waiting(ingest)
    assert row["detail"] == "currency must be a three-letter code in lower case, as Stripe sends it."


def test_honest_repetitions_are_never_parked(ingest: Ingest) -> None:
    first = purchase()
    ingest.deliver(first)
    for again in (first, {**first, "pending_webhooks": 3}, changed(first, url=None, novelty={"a": 1})):
        assert ingest.deliver(again).json["data"] == DUPLICATE
    assert waiting(ingest) == []


def test_after_a_restart_the_ledger_knows_what_came_first(nats_url: str, postgres_dsn: str) -> None:
    """The ingest that took the first is gone, and what it remembered with it."""
    first = purchase()
    with running_ingest(nats_url) as ingest:
        ingest.deliver(first)
    with (
        running(nats_url, postgres_dsn) as ledger,
        running_ingest(nats_url, ENTITLEMENTS_URL=ledger.url) as ingest,
    ):
        assert ingest.deliver({**first, "pending_webhooks": 3}).json["data"] == DUPLICATE
        assert ingest.metric("atlas_duplicates_not_compared_total") == 0
        assert ingest.deliver(changed(first, amount_total=1)).json["data"] == DUPLICATE
        assert [row["reason"] for row in waiting(ingest)] == ["changed_content"]
        assert len(ingest.stored()) == 1


def test_without_a_ledger_a_duplicate_is_answered_at_once_and_counted(nats_url: str) -> None:
    first = purchase()
    with running_ingest(nats_url) as ingest:
        ingest.deliver(first)
    with running_ingest(nats_url, ENTITLEMENTS_URL="http://127.0.0.1:9") as ingest:
        assert ingest.deliver(first).json["data"] == DUPLICATE
        assert ingest.metric("atlas_duplicates_not_compared_total") == 1


def test_the_ledger_tells_nothing_of_a_forgotten_user(nats_url: str, postgres_dsn: str) -> None:
    told = Purchase("ada").paid(at=0)
    with running(nats_url, postgres_dsn) as ledger:
        publish(nats_url, [told])
        assert ledger.applied([told])
        data = json.loads(told.wire)["data"]
        assert _asked(ledger, data) == {"known": True, "contradiction": None}
        other = {**data, "checkoutSession": {**data["checkoutSession"], "amountTotal": 1}}
        assert _asked(ledger, other) == {"known": True, "contradiction": "checkoutSession.amountTotal"}
        assert _asked(ledger, {**data, "userId": "eve"})["contradiction"] == "userId"
        assert ledger.get("/operator/forget", token(OPERATOR, OPERATOR), {"userId": "ada"})[0] == 200
        assert _asked(ledger, other) == {"known": True, "contradiction": None}
        unknown = {**data, "providerEventId": "evt_never", "eventId": "stripe:evt_never:purchase_succeeded"}
        assert _asked(ledger, unknown) == {"known": False, "contradiction": None}


def _asked(ledger: Service, data: dict[str, Any]) -> dict[str, Any]:
    status, answer = ledger.get("/internal/told-again", token(INGEST_SERVICE, INGEST_SERVICE), {"data": data})
    assert status == 200, answer
    return dict(answer)
