"""Bucket and announcements written again from the projection, after whatever has happened to them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from atlas_contracts.streams import ENTITLEMENTS, STATE
from atlas_kit.messaging.broker import stream_config
from support.entitlements import NOBODY_LISTENS, Service, on_broker, publish, query, running, stored, token
from support.facts import Purchase
from support.identity import identity_of
from support.stack import eventually
from support.state_bucket import delete_bucket, entries, entry, projected, tamper, told

USERS = [f"user-{number}" for number in range(7)]


@pytest.fixture
def service(nats_url: str, postgres_dsn: str) -> Iterator[Service]:
    """With seven users, one of whom was refunded; all entries are written."""
    with running(nats_url, postgres_dsn) as started:
        purchases = [Purchase(user) for user in USERS]
        publish(nats_url, [buy.paid(at=0) for buy in purchases])
        publish(nats_url, [purchases[0].charge_refunded(at=60)])
        eventually(lambda: (entry(nats_url, USERS[0]) or {}).get("version") == 2, what="the refund's entry")
        eventually(lambda: told(nats_url) == projected(postgres_dsn), what="all entries")
        yield started


def operator(service: Service, path: str, body: Any = None) -> list[dict[str, Any]]:
    """The lines of an answer of an operator's route."""
    import urllib.request

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


def remake(url: str) -> None:
    """ENTITLEMENTS deleted and made anew, as an administrator does."""

    async def act(client: Any) -> None:
        jetstream = client.jetstream()
        await jetstream.delete_stream(ENTITLEMENTS.name)
        await jetstream.add_stream(stream_config(ENTITLEMENTS, 1))

    on_broker(url, act)


def test_what_is_right_is_left_alone(service):
    async def revisions(client: Any) -> int:
        return (await client.jetstream().stream_info(STATE.name)).state.last_seq

    before = on_broker(service.nats_url, revisions)
    assert republish(service) == {"users": 7, "written": 0, "removed": 0, "announced": 0}
    assert on_broker(service.nats_url, revisions) == before
    assert len(stored(service.nats_url, ENTITLEMENTS.name)) == 8
    assert right(service)


def test_a_deleted_bucket_is_told_of_and_filled_again(service):
    delete_bucket(service.nats_url)
    assert compared(service)["bucket"] is False
    assert verified(service)["states"]["right"] is False
    assert republish(service) == {"users": 7, "written": 7, "removed": 0, "announced": 0}
    assert told(service.nats_url) == projected(service.dsn)
    assert right(service)
    assert verified(service)["states"]["right"] is True


def test_a_remade_stream_gets_every_users_present_state_once(service):
    remake(service.nats_url)
    assert republish(service) == {"users": 7, "written": 0, "removed": 0, "announced": 7}
    assert newest(service.nats_url) == versions(service.dsn)
    assert republish(service)["announced"] == 0
    assert len(stored(service.nats_url, ENTITLEMENTS.name)) == 7


def test_a_purged_stream_gets_them_too_although_the_broker_remembers_the_ids(service):
    async def purge(client: Any) -> None:
        jetstream = client.jetstream()
        await jetstream.delete_stream(ENTITLEMENTS.name)
        await jetstream.add_stream(stream_config(ENTITLEMENTS, 1).evolve(deny_purge=False))

    on_broker(service.nats_url, purge)
    republish(service)
    on_broker(service.nats_url, lambda client: client.jetstream().purge_stream(ENTITLEMENTS.name))
    assert republish(service)["announced"] == 7
    assert newest(service.nats_url) == versions(service.dsn)
    assert republish(service)["announced"] == 0, "it knows its own by the event's id"


@pytest.mark.parametrize(
    "broken",
    [{"version": 1, "isPro": True}, {"version": 99, "isPro": True}, {"version": 2, "isPro": True}, b"\xff not JSON", b"[" * 5000],
    ids=["older", "newer", "the same version", "no JSON", "hostile JSON"],
)
def test_a_tampered_entry_says_again_what_the_projection_says(service, broken):
    value = broken if isinstance(broken, bytes) else {**(entry(service.nats_url, USERS[0]) or {}), **broken}
    tamper(service.nats_url, USERS[0], value)
    found = compared(service)
    assert (found["different"], found["missing"], found["extra"], found["examples"]) == (1, 0, 0, [USERS[0]])
    assert verified(service)["states"]["different"] == 1
    assert republish(service)["written"] == 1
    assert told(service.nats_url) == projected(service.dsn)
    assert right(service)


def test_an_entry_of_nobody_is_removed(service):
    tamper(service.nats_url, "nobody", {**(entry(service.nats_url, USERS[0]) or {}), "userId": "nobody"})
    assert compared(service)["extra"] == 1
    assert republish(service)["removed"] == 1
    assert told(service.nats_url) == projected(service.dsn)


def test_one_user_alone(service):
    for user in (USERS[1], USERS[2], "nobody"):
        tamper(service.nats_url, user, {"version": 9})
    assert republish(service, userId=USERS[1]) == {"users": 1, "written": 1, "removed": 0, "announced": 0}
    assert republish(service, userId="nobody") == {"users": 0, "written": 0, "removed": 1, "announced": 0}
    assert republish(service, userId="--entries-only") == {"users": 0, "written": 0, "removed": 0, "announced": 0}
    assert compared(service)["examples"] == [USERS[2]]


def test_a_change_after_a_republication_is_written_and_a_late_row_from_before_it_is_not(service):
    delete_bucket(service.nats_url)
    republish(service)
    publish(service.nats_url, [Purchase("late").paid(at=0)])
    eventually(lambda: entry(service.nats_url, "late"), what="a new user's entry")
    [event] = [event for _, event in stored(service.nats_url, ENTITLEMENTS.name) if event["id"].startswith(f"entitlement:{USERS[0]}:1:")]
    insert = "INSERT INTO outbox (message_id, subject, payload) VALUES ('late', 'entitlements.v1.entitlement_granted', %s) RETURNING 1"
    query(service.dsn, insert, json.dumps(event))
    eventually(lambda: query(service.dsn, "SELECT count(*) FROM outbox") == [(0,)], what="the row is stored")
    assert told(service.nats_url) == projected(service.dsn)


def test_while_changes_come_in_nothing_goes_back(service):
    """A storm of changes during three republications: in the end the bucket says what the projection says."""
    purchases = [Purchase(user) for user in USERS * 6]
    for start in range(0, len(purchases), 14):
        publish(service.nats_url, [buy.paid(at=100 + start) for buy in purchases[start : start + 14]])
        republish(service)
        publish(service.nats_url, [buy.charge_refunded(at=160 + start) for buy in purchases[start : start + 14]])
    eventually(lambda: query(service.dsn, "SELECT count(*) FROM ledger") == [(8 + 2 * len(purchases),)], what="all folded")
    eventually(lambda: told(service.nats_url) == projected(service.dsn), what="the bucket follows")
    assert republish(service)["written"] == 0


def test_an_installation_from_before_the_bucket_gets_it_filled_at_its_start(service):
    """As after an upgrade: users in the projection, no bucket, and nobody who says republish."""
    service.stop()
    delete_bucket(service.nats_url)
    query(service.dsn, "UPDATE projection_reading SET bucket_filled = NULL RETURNING 1")
    service.start()
    eventually(lambda: told(service.nats_url) == projected(service.dsn), what="a filled bucket")
    assert len(stored(service.nats_url, ENTITLEMENTS.name)) == 8, "nothing is announced again by itself"


def test_a_bucket_that_a_change_had_to_make_anew_is_filled_without_hands(service):
    delete_bucket(service.nats_url)
    publish(service.nats_url, [Purchase("one-more").paid(at=0)])
    eventually(lambda: len(entries(service.nats_url)) == 8, what="all entries")


def test_a_broker_that_is_away_is_said_and_nothing_is_lost(service):
    environ = {
        "DATABASE_URL": service.dsn, "NATS_URL": "nats://127.0.0.1:9", **identity_of("entitlements"), "CHECKOUT_URL": NOBODY_LISTENS,
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "entitlements", "republish"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "The broker does not answer" in json.loads(done.stdout.splitlines()[-1])["error"]
    assert right(service)
