"""Broker and database go away and come back; poison comes by; nothing is lost and nothing waits for it."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from atlas_contracts.cloudevents import SCHEMA_VERSION
from atlas_localstack.servers import binaries, database
from atlas_localstack.servers.ports import free_port
from support.embedded import embedded_nats, embedded_postgres
from support.entitlements import (
    Service,
    announced,
    parked,
    publish,
    publish_raw,
    query,
    running,
    stored,
    unacknowledged,
)  # fmt: skip
from support.facts import Purchase
from support.stack import eventually


@pytest.fixture(scope="module", autouse=True)
def _servers_can_run_here():
    try:
        binaries.postgres(), binaries.nats_server()
    except Exception as missing:
        pytest.skip(f"needs the embedded servers, to stop and start them: {missing}")


@contextlib.contextmanager
def stoppable_postgres() -> Iterator[StoppableCluster]:
    with embedded_postgres() as server:
        database.execute(server.cluster, "CREATE DATABASE entitlements")
        yield StoppableCluster(server.cluster)


@dataclass
class StoppableCluster:
    """A database server that a test ends (at once, connections and all) and starts again."""

    cluster: database.Cluster

    @property
    def dsn(self) -> str:
        return self.cluster.dsn("entitlements")

    def end(self) -> None:
        import signal
        import time

        pid = int((self.cluster.data / "postmaster.pid").read_text().splitlines()[0])
        import os

        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + 15
        while (self.cluster.data / "postmaster.pid").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    @contextlib.contextmanager
    def begin(self) -> Iterator[None]:
        log = Path(tempfile.mkstemp(prefix="postgres-", suffix=".log")[1])
        with log.open("ab") as sink:
            process = database.start(self.cluster, sink, database.FORGETFUL)
        try:
            database.wait_until_ready(process, self.cluster, log)
            yield
        finally:
            database.shut_down(process)
            log.unlink()


def test_the_broker_restarts_and_no_fact_is_lost(postgres_dsn):
    port, store = free_port(), Path(tempfile.mkdtemp(prefix="atlas-nats-store-"))
    store.chmod(0o755)
    purchases = [Purchase(f"user-{number}").paid(at=0) for number in range(40)]
    with contextlib.ExitStack() as running_service:
        with embedded_nats(port=port, store=store) as url:
            service = running_service.enter_context(running(url, postgres_dsn))
            publish(url, purchases[:20])
            assert service.applied(purchases[:20])
        eventually(lambda: service.get("/readyz")[0] == 503, what="not ready without a broker")
        assert set(service.get("/readyz")[1]["failing"]) >= {"broker", "consumer"}
        assert service.get("/healthz")[0] == 200
        assert service.entitlement("user-3")["isPro"], "reads go on without the broker"
        with embedded_nats(port=port, store=store) as url:
            publish(url, purchases[20:])
            assert service.applied(purchases, timeout_ms=20_000)
            eventually(lambda: service.get("/readyz")[0] == 200, what="ready again")
            eventually(lambda: len(announced(url)) == 40)
            assert {change for change, _ in announced(url)} == {f"user-{n}:1" for n in range(40)}
            assert parked(url) == []
            running_service.close()


def test_the_database_restarts_and_no_fact_is_lost(nats_url):
    purchases = [Purchase(f"user-{number}").paid(at=0) for number in range(40)]
    with stoppable_postgres() as postgres, running(nats_url, postgres.dsn) as service:
        publish(nats_url, purchases[:20])
        assert service.applied(purchases[:20])
        postgres.end()
        eventually(lambda: service.get("/readyz")[0] == 503, what="not ready without a database")
        assert "database" in service.get("/readyz")[1]["failing"]
        assert service.get("/healthz")[0] == 200
        publish(nats_url, purchases[20:])
        from support.entitlements import token

        status, answer = service.get("/internal/entitlement", token("user-3"))
        assert (status, answer["error"]["recovery"]) == (503, "retry_later")
        with postgres.begin():
            eventually(lambda: service.get("/readyz")[0] == 200, seconds=30, what="ready again")
            eventually(lambda: query(postgres.dsn, "SELECT count(*) FROM entitlements WHERE is_pro") == [(40,)], 60)
            eventually(lambda: len(announced(nats_url)) == 40, 30)
            assert parked(nats_url) == []
            eventually(lambda: unacknowledged(nats_url) == 0, 60)
            service.stop()


def test_absent_servers_at_the_start_are_waited_for(new_database):
    port, store = free_port(), Path(tempfile.mkdtemp(prefix="atlas-nats-store-"))
    store.chmod(0o755)
    service = Service(f"nats://127.0.0.1:{port}", new_database()).start(ready=False)
    try:
        eventually(lambda: service.get("/healthz")[0] == 200, 60, "alive without a broker")
        assert service.get("/readyz")[0] == 503
        with embedded_nats(port=port, store=store) as url:
            service.wait_until_ready()
            publish(url, [paid := Purchase("ada").paid(at=0)])
            assert service.applied([paid])
            service.stop()
    finally:
        service.stop()


POISON = {
    "not JSON": b"{",
    "no object": b"[]",
    "no CloudEvent": b'{"hello": "world"}',
    "not UTF-8": b"\xff\xfe",
    "deeply nested": b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
}


def test_poison_is_parked_with_its_reason_while_good_facts_flow(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        good = [Purchase(f"user-{number}").paid(at=0) for number in range(10)]
        nul = json.loads(good[0].wire)
        nul["data"] |= {"eventId": "stripe:evt_nul:purchase_succeeded", "providerEventId": "evt_nul", "unheard": "\0"}
        wrong_type = json.loads(good[0].wire)
        wrong_type["data"] |= {"eventId": "stripe:evt_wrong:x", "providerEventId": "evt_wrong", "occurredAt": "soon"}
        poison = [*POISON.values(), json.dumps(nul).encode(), json.dumps(wrong_type).encode()]
        for number, payload in enumerate(poison):
            publish_raw(nats_url, payload, **{"Nats-Msg-Id": f"poison-{number}"})
            publish(nats_url, good[number : number + 1])
        publish(nats_url, good[len(poison) :])
        assert service.applied(good)
        assert all(service.entitlement(f"user-{number}")["isPro"] for number in range(10))
        eventually(lambda: len(parked(nats_url)) == len(poison), what="all poison parked")
        eventually(lambda: unacknowledged(nats_url) == 0)
        found = {item["eventId"]: item for item in parked(nats_url)}
        assert set(found) == {f"poison-{number}" for number in range(len(poison))}
        assert {item["reason"] for item in found.values()} == {"malformed_event", "unstorable_event"}
        assert found["poison-5"]["reason"] == "unstorable_event"
        assert found["poison-1"]["subject"] == "billing.v1.purchase_succeeded"
        assert all(event["type"].startswith("atlas.parked.v1.") for _, event in stored(nats_url, "PARKED"))
        assert query(postgres_dsn, "SELECT count(*) FROM ledger") == [(10,)]


def test_new_fields_and_a_new_type_are_kept_and_what_is_known_of_them_counts(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        paid = Purchase("ada").paid(at=0)
        newer = json.loads(paid.wire)
        newer["type"] = "atlas.billing.v1.purchase_celebrated"
        newer["data"] |= {"confetti": {"color": "gold"}}
        newer["data"]["checkoutSession"]["presentmentDetails"] = {"currency": "eur"}
        publish_raw(nats_url, json.dumps(newer).encode(), subject="billing.v1.purchase_celebrated")
        assert service.applied([paid])
        assert service.entitlement("ada")["isPro"], "what we do understand of it counts"
        ((kind, facts),) = query(postgres_dsn, "SELECT type, facts FROM ledger")
        assert kind == "purchase_celebrated"
        assert facts["confetti"] == {"color": "gold"}
        assert facts["checkoutSession"]["presentmentDetails"] == {"currency": "eur"}
        assert parked(nats_url) == []


def test_a_fact_of_a_newer_schema_version_is_kept_and_not_guessed_at(nats_url, postgres_dsn):
    """What its fields mean only a newer version knows: it folds it when it comes (e2e/faults/test_rolling.py)."""
    with running(nats_url, postgres_dsn) as service:
        paid = Purchase("ada").paid(at=0)
        newer = json.loads(paid.wire)
        newer["data"] |= {"schemaVersion": SCHEMA_VERSION + 1, "provider": "paddle", "via": "batch", "checkoutSession": "as never before"}
        publish_raw(nats_url, json.dumps(newer).encode())
        eventually(lambda: query(postgres_dsn, "SELECT count(*) FROM ledger") == [(1,)])
        ((provider, via, version, facts),) = query(
            postgres_dsn, "SELECT provider, via, schema_version, facts FROM ledger"
        )
        assert (provider, via, version, facts["checkoutSession"]) == ("paddle", "batch", SCHEMA_VERSION + 1, "as never before")
        assert service.entitlement("ada")["status"] == "none"
        assert parked(nats_url) == []
        assert '"billing.event.newer"' in service.log.read_text()
