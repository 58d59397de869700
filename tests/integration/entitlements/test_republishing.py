"""Bucket and announcements written again from the projection, after whatever has happened to them."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from atlas_contracts.streams import ENTITLEMENTS, STATE, STATE_BUCKET, state_key
from atlas_kit.messaging.declaring import stream_config
from support.embedded import embedded_nats
from support.entitlements import NOBODY_LISTENS, Service, on_broker, publish, query, running, stored, token
from support.facts import Purchase
from support.identity import identity_of
from support.servers import Postgres
from support.stack import eventually
from support.state_bucket import delete_bucket, entry, projected, tamper, told

USERS = [f"user-{number}" for number in range(7)]
NOTHING = {"written": 0, "removed": 0, "announced": 0}


@pytest.fixture(scope="module")
def alone(postgres: Postgres) -> Iterator[Service]:
    """With seven users, one of whom was refunded."""
    with embedded_nats() as url, running(url, postgres.create_database()) as started:
        purchases = [Purchase(user) for user in USERS]
        publish(url, [buy.paid(at=0) for buy in purchases])
        publish(url, [purchases[0].charge_refunded(at=60)])
        eventually(lambda: (entry(url, USERS[0]) or {}).get("version") == 2, what="the refund's entry")
        yield started


@pytest.fixture
def service(alone: Service) -> Service:
    """The service, with everything right."""
    eventually(lambda: told(alone.nats_url) == projected(alone.dsn), what="all entries are right")
    return alone


def operator(service: Service, path: str, body: Any = None) -> list[dict[str, Any]]:
    """The lines of an answer of an operator's route."""
    headers = {"Authorization": f"Bearer {token('operator', issuer='operator')}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(service.url + path, data, headers), timeout=60) as answer:
        return [json.loads(line) for line in answer]


def republish(service: Service, **asked: Any) -> dict[str, Any]:
    done = operator(service, "/operator/republish", asked)
    assert "result" in done[-1], done
    return dict(done[-1]["result"])


def compared(service: Service) -> dict[str, Any]:
    [found] = operator(service, "/operator/states")
    return found


def right(service: Service) -> bool:
    found = compared(service)
    return found["bucket"] and not (found["missing"] or found["different"] or found["extra"])


def verified(service: Service) -> dict[str, Any]:
    environ = {
        "DATABASE_URL": service.dsn, "NATS_URL": service.nats_url, **identity_of("entitlements"), "CHECKOUT_URL": NOBODY_LISTENS,
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "entitlements", "rebuild", "--verify"], env=environ, capture_output=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1])["result"])


def newest(url: str) -> dict[str, int]:
    """The greatest version of each user that the stream holds."""
    found: dict[str, int] = {}
    for _, event in stored(url, ENTITLEMENTS.name):
        found[event["subject"]] = max(event["data"]["version"], found.get(event["subject"], 0))
    return found


def versions(dsn: str) -> dict[str, int]:
    return dict(query(dsn, "SELECT user_id, version FROM entitlements"))


def remake(url: str, **changes: Any) -> None:
    """ENTITLEMENTS deleted and made anew, as an administrator does."""

    async def act(client: Any) -> None:
        jetstream = client.jetstream()
        await jetstream.delete_stream(ENTITLEMENTS.name)
        await jetstream.add_stream(stream_config(ENTITLEMENTS, 1).evolve(**changes))

    on_broker(url, act)


def test_what_is_right_is_left_alone(service):
    async def revisions(client: Any) -> int:
        return (await client.jetstream().stream_info(STATE.name)).state.last_seq

    before = on_broker(service.nats_url, revisions)
    assert republish(service) == {"users": 7, **NOTHING}
    assert on_broker(service.nats_url, revisions) == before
    assert len(stored(service.nats_url, ENTITLEMENTS.name)) == 8
    assert right(service)


def test_a_deleted_bucket_is_told_of_and_filled_again(service):
    delete_bucket(service.nats_url)
    assert compared(service)["bucket"] is False
    assert verified(service)["states"]["right"] is False
    assert republish(service) == {"users": 7, **NOTHING, "written": 7}
    assert told(service.nats_url) == projected(service.dsn)
    assert right(service)
    assert verified(service)["states"]["right"] is True


def test_a_remade_stream_gets_every_users_present_state_once(service):
    remake(service.nats_url)
    assert republish(service) == {"users": 7, **NOTHING, "announced": 7}
    assert newest(service.nats_url) == versions(service.dsn)
    assert republish(service)["announced"] == 0
    assert len(stored(service.nats_url, ENTITLEMENTS.name)) == 7


def test_a_purged_stream_gets_them_too_although_the_broker_remembers_the_ids(service):
    remake(service.nats_url, deny_purge=False)
    republish(service)
    on_broker(service.nats_url, lambda client: client.jetstream().purge_stream(ENTITLEMENTS.name))
    assert republish(service)["announced"] == 7
    assert newest(service.nats_url) == versions(service.dsn)
    assert republish(service)["announced"] == 0, "it knows its own by the event's id"


def test_whatever_was_written_into_the_bucket_it_says_again_what_the_projection_says(service):
    """Older, newer, of the same version, no JSON, hostile JSON; an entry of nobody; an entry deleted."""
    good = entry(service.nats_url, USERS[0]) or {}
    broken = [{**good, "version": 1, "isPro": True}, {"version": 99}, {**good, "isPro": True}, b"\xff not JSON", b"[" * 5000]
    for user, value in zip(USERS, broken, strict=False):
        tamper(service.nats_url, user, value)
    tamper(service.nats_url, "nobody", {**good, "userId": "nobody"})
    on_broker(service.nats_url, lambda client: deleted(client, USERS[6]))
    found = compared(service)
    assert (found["different"], found["missing"], found["extra"]) == (5, 1, 1)
    assert found["examples"] == [*USERS[:5], USERS[6]]
    assert verified(service)["states"]["different"] == 5
    assert republish(service) == {"users": 7, "written": 6, "removed": 1, "announced": 0}
    assert told(service.nats_url) == projected(service.dsn)
    assert right(service)


async def deleted(client: Any, user: str) -> None:
    await (await client.jetstream().key_value(STATE_BUCKET)).delete(state_key(user))


def test_one_user_alone(service):
    for user in (USERS[1], USERS[2], "nobody"):
        tamper(service.nats_url, user, {"version": 9})
    assert republish(service, userId=USERS[1]) == {"users": 1, **NOTHING, "written": 1}
    assert republish(service, userId="nobody") == {"users": 0, **NOTHING, "removed": 1}
    assert republish(service, userId="--entries-only") == {"users": 0, **NOTHING}
    assert compared(service)["examples"] == [USERS[2]]
    assert republish(service, userId=USERS[2])["written"] == 1


def test_a_change_after_a_republication_is_written_and_a_late_row_from_before_it_is_not(service):
    [early] = [event for _, event in stored(service.nats_url, ENTITLEMENTS.name) if event["subject"] == USERS[0]]
    late = {**early, "data": {**early["data"], "version": 1, "isPro": True}}
    delete_bucket(service.nats_url)
    republish(service)
    publish(service.nats_url, [Purchase("late").paid(at=0)])
    eventually(lambda: entry(service.nats_url, "late"), what="a new user's entry")
    insert = "INSERT INTO outbox (message_id, subject, payload) VALUES ('late', 'entitlements.v1.entitlement_granted', %s) RETURNING 1"
    query(service.dsn, insert, json.dumps(late))
    eventually(lambda: query(service.dsn, "SELECT count(*) FROM outbox") == [(0,)], what="the row is stored")
    assert told(service.nats_url) == projected(service.dsn)


def test_while_changes_come_in_nothing_goes_back(service):
    """Changes during three republications: in the end the bucket says what the projection says."""
    facts = query(service.dsn, "SELECT count(*) FROM ledger")[0][0]
    purchases = [Purchase(user) for user in USERS * 6]
    for start in range(0, len(purchases), 14):
        publish(service.nats_url, [buy.paid(at=100 + start) for buy in purchases[start : start + 14]])
        republish(service)
        publish(service.nats_url, [buy.charge_refunded(at=160 + start) for buy in purchases[start : start + 14]])
    ledger = [(facts + 2 * len(purchases),)]
    eventually(lambda: query(service.dsn, "SELECT count(*) FROM ledger") == ledger, what="all folded")
    eventually(lambda: told(service.nats_url) == projected(service.dsn), what="the bucket follows")
    assert republish(service)["written"] == 0


def test_a_bucket_that_a_change_had_to_make_anew_is_filled_without_hands(service):
    delete_bucket(service.nats_url)
    publish(service.nats_url, [Purchase("one-more").paid(at=0)])
    eventually(lambda: entry(service.nats_url, "one-more"), what="the new user's entry")
    eventually(lambda: told(service.nats_url) == projected(service.dsn), what="all the others'")


def test_an_installation_from_before_the_bucket_gets_it_filled_at_its_start(service):
    """As after an upgrade: users in the projection, no bucket, and nobody who says republish."""
    announcements = len(stored(service.nats_url, ENTITLEMENTS.name))
    service.stop()
    delete_bucket(service.nats_url)
    query(service.dsn, "UPDATE projection_reading SET bucket_filled = NULL RETURNING 1")
    service.start()
    eventually(lambda: told(service.nats_url) == projected(service.dsn), what="a filled bucket")
    assert len(stored(service.nats_url, ENTITLEMENTS.name)) == announcements, "nothing is announced again by itself"


def test_a_broker_that_is_away_is_said_and_nothing_is_lost(service):
    environ = {
        "DATABASE_URL": service.dsn, "NATS_URL": "nats://127.0.0.1:9", **identity_of("entitlements"), "CHECKOUT_URL": NOBODY_LISTENS,
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "entitlements", "republish"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "The broker does not answer" in json.loads(done.stdout.splitlines()[-1])["error"]
    assert right(service)
