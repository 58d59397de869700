"""A past made at once: old sessions with their payments, refunds and disputes, and no event of any of it."""

from __future__ import annotations

import time

import pytest

from .conftest import params

DAY = 86_400


@pytest.fixture
def alone(start_sandbox):
    return start_sandbox()


def test_old_sessions_are_listed_in_the_order_of_their_time_and_nothing_is_told(alone):
    client, now = alone.client(), int(time.time())
    fresh = client.v1.checkout.sessions.create(params())
    before = {event.id for event in client.v1.events.list({"limit": 100}).data}
    ages = [400, 3, 90, 2, 1000]
    made = alone.control("POST", "/seed", {"sessions": [{"created": now - age * DAY, "metadata": {"userId": f"u{age}"}} for age in ages]})["data"]
    listed = [session.id for session in client.v1.checkout.sessions.list({"limit": 2}).auto_paging_iter()]
    assert listed == [fresh.id, *(made[ages.index(age)]["id"] for age in sorted(ages))]
    recent = client.v1.checkout.sessions.list({"status": "complete", "created": {"gte": now - 100 * DAY}})
    assert [session.metadata["userId"] for session in recent.data] == ["u2", "u3", "u90"]
    assert {event.id for event in client.v1.events.list({"limit": 100}).data} == before


def test_refunds_disputes_and_every_outcome_are_as_if_they_had_happened(alone):
    client, old = alone.client(), int(time.time()) - 300 * DAY
    made = alone.control("POST", "/seed", {"sessions": [
        {"created": old, "refunds": [{"amount": 900, "created": old + DAY}, {"status": "failed"}]},
        {"created": old, "disputes": [{"status": "lost"}]},
        {"created": old, "outcome": "processing"},
        {"created": old, "outcome": "failed"},
        {"created": old, "outcome": "expired"},
        {"created": old, "amount": 0},
        {"created": old, "amount": 1234, "currency": "eur", "payment_link": True, "client_reference_id": "eve"},
        {"created": old, "customer": True, "email": "ada@example.com"},
    ]})["data"]  # fmt: skip
    read = [client.v1.checkout.sessions.retrieve(one["id"], {"expand": ["payment_intent.latest_charge.refunds"]}) for one in made]
    assert [session.payment_status for session in read] == ["paid", "paid", "unpaid", "unpaid", "unpaid", "no_payment_required", "paid", "paid"]
    assert [session.status for session in read] == ["complete"] * 4 + ["expired"] + ["complete"] * 3
    charge = read[0].payment_intent.latest_charge
    assert (charge.created, charge.amount_refunded) == (old, 900)
    assert sorted((refund.status, refund.amount) for refund in charge.refunds.data) == [("failed", charge.amount - 900), ("succeeded", 900)]
    assert client.v1.disputes.list({"charge": made[1]["charge"]}).data[0].status == "lost"
    assert (read[6].amount_total, read[6].currency, bool(read[6].payment_link), read[6].customer) == (1234, "eur", True, None)
    assert read[7].customer == made[7]["customer"] is not None


def test_five_thousand_are_made_in_one_request_within_half_a_minute(alone):
    started = time.monotonic()
    assert alone.http("GET", "/healthz")[0] == 200
    made = alone.control("POST", "/seed", {"sessions": [{"metadata": {"userId": f"u{n}"}} for n in range(5000)]}, seconds=60)["data"]
    assert len({one["id"] for one in made}) == 5000
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("body", [{}, {"sessions": 3}, {"sessions": [3]}, {"sessions": [{"colour": 1}]}, {"sessions": [{"created": 2**40}]}, {"sessions": [{"refunds": [1]}]}, {"sessions": [{"outcome": "won"}]}])
def test_what_makes_no_sense_is_refused_and_makes_nothing(alone, body):
    status, answer = alone.http("POST", "/_sandbox/seed", body)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert alone.client().v1.checkout.sessions.list().data == []


def test_the_past_is_in_its_order_after_a_restart(start_sandbox, state_directory):
    first = start_sandbox("--state-dir", str(state_directory))
    now = int(time.time())
    fresh = first.client().v1.checkout.sessions.create(params()).id
    made = first.control("POST", "/seed", {"sessions": [{"created": now - age * DAY} for age in (1, 3, 2)]})["data"]
    first.stop()
    again = start_sandbox("--state-dir", str(state_directory))
    listed = [session.id for session in again.client().v1.checkout.sessions.list().data]
    assert listed == [fresh, made[0]["id"], made[2]["id"], made[1]["id"]]
