"""An older and a newer version of the service over one broker and one database (docs/decisions/0010).

The older one is this tree, the newer one is made of it (tests/support/versions.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atlas_contracts.cloudevents import SCHEMA_VERSION
from support.entitlements import Service, announced, parked, publish, publish_raw, query, running, unacknowledged
from support.facts import Purchase, Told
from support.identity import identity_of
from support.stack import eventually
from support.versions import next_version

SOON = 90.0
"""A few seconds, on a machine that does nothing else."""


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a replica of the next version."""
    return {"PYTHONPATH": next_version(tmp_path_factory.mktemp("versions") / "next")}


def said(told: Told, **data: Any) -> bytes:
    """The event with more in its data than this tree knows."""
    event = json.loads(told.wire)
    for name, value in data.items():
        event["data"][name] = {**(event["data"].get(name) or {}), **value} if isinstance(value, dict) else value
    return json.dumps(event).encode()


class Life:
    """One user of each kind: what happened to them only the newer version reads rightly."""

    def __init__(self, name: str) -> None:
        self.users = [f"{name}-{what}" for what in ("duplicate", "gift", "refund")]
        bought = [Purchase(user) for user in self.users]
        self.known = [bought[0].paid(at=0), bought[2].paid(at=0)]
        self.told = [bought[0].refund().told("succeeded", at=60), bought[1].paid(at=0), bought[2].refund().told("succeeded", at=60)]
        self.news = [
            said(self.told[0], refund={"reason": "duplicate"}),
            said(self.told[1], checkoutSession=None, gift={"from": "grace"}, provider="manual"),
            said(self.told[2], schemaVersion=SCHEMA_VERSION + 1, refund={"amount": {"minor": 999}}),
        ]
        self.seen = ["revoked", "none", "active"]
        """By whom doesn't know better: what is not understood takes nothing and gives nothing."""
        self.right = ["active", "active", "revoked"]

    def happen(self, nats_url: str) -> None:
        publish(nats_url, self.known)
        for news in self.news:
            publish_raw(nats_url, news)

    def statuses(self, service: Service) -> list[str]:
        return [service.entitlement(user)["status"] for user in self.users]


def folded(dsn: str, facts: int) -> None:
    eventually(lambda: query(dsn, "SELECT count(*) FROM ledger") == [(facts,)], SOON, "everything in the ledger")


def rightly_built(service: Service) -> bool:
    """The replica's own version folds the ledger again and finds no difference."""
    environ = {"DATABASE_URL": service.dsn, "NATS_URL": service.nats_url, **identity_of("entitlements"), "CHECKOUT_URL": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-m", "entitlements", "rebuild", "--verify"], env=environ | service.environ, capture_output=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["result"]["differences"] == 0


def test_what_an_older_replica_could_only_keep_counts_once_a_newer_one_runs_without_hands(nats_url, postgres_dsn, newer):
    before, meanwhile = Life("before"), Life("meanwhile")
    with running(nats_url, postgres_dsn) as old:
        before.happen(nats_url)
        folded(postgres_dsn, 5)
        assert before.statuses(old) == before.seen
        past = query(postgres_dsn, "SELECT md5(string_agg((to_jsonb(l) - 'edition')::text, '' ORDER BY seq)) FROM ledger l")

        with running(nats_url, postgres_dsn, **newer) as new:
            eventually(lambda: before.statuses(new) == before.right, SOON, "what was kept is understood")
            assert query(
                postgres_dsn, "SELECT md5(string_agg((to_jsonb(l) - 'edition')::text, '' ORDER BY seq)) FROM ledger l WHERE seq <= 5"
            ) == past, "the ledger's past has not changed"

            meanwhile.happen(nats_url)  # whichever of the two folds it
            folded(postgres_dsn, 10)
            eventually(lambda: meanwhile.statuses(old) == meanwhile.right, SOON, "both say what the newer one knows")
            old.stop()
            assert before.statuses(new) + meanwhile.statuses(new) == before.right + meanwhile.right
            assert rightly_built(new)
        assert parked(nats_url) == []
        assert unacknowledged(nats_url) == 0


def test_after_a_rollback_the_older_version_goes_on_and_the_next_upgrade_puts_its_part_right(nats_url, postgres_dsn, newer):
    life = Life("life")
    with running(nats_url, postgres_dsn, **newer) as new:
        life.happen(nats_url)
        eventually(lambda: life.statuses(new) == life.right, SOON, "understood")
    with running(nats_url, postgres_dsn) as old:
        assert '"database.newer_than_code"' in old.log.read_text()
        assert life.statuses(old) == life.right, "what the newer one has decided stands"
        # It folds on what the newer one knew about these payments, and reads past what it doesn't understand.
        buy = Purchase(life.users[0], number=int(life.told[0].data.refs.payment_intent_id.removeprefix("pi_")))
        publish(nats_url, [warned := buy.dispute().told("warning_needs_response", at=90)])
        assert old.applied([warned])
        assert old.overview(life.users[0])["entitlement"]["status"] == "revoked", "by its own rules"
        assert '"consumer.retry"' not in old.log.read_text()
    with running(nats_url, postgres_dsn, **newer) as new:
        eventually(lambda: life.statuses(new) == life.right, SOON, "right again")
        assert rightly_built(new)
    assert parked(nats_url) == []


def test_replicas_of_both_versions_share_the_durable_and_the_outbox(nats_url, postgres_dsn, newer):
    with running(nats_url, postgres_dsn) as old, running(nats_url, postgres_dsn, **newer) as new:
        for number in range(6):  # the old one's statements are prepared before, and used after the other's migration
            publish(nats_url, facts := [Purchase(f"user-{number}-{each}").paid(at=0) for each in range(20)])
            assert old.applied(facts)
        old.kill()  # whoever holds the outbox's lease: the other one takes over
        publish(nats_url, last := [Purchase(f"last-{each}").paid(at=0) for each in range(20)])
        assert new.applied(last, timeout_ms=20_000)
        eventually(lambda: query(postgres_dsn, "SELECT count(*) FROM outbox") == [(0,)], SOON)
        assert query(postgres_dsn, "SELECT count(*), sum(version) FROM entitlements WHERE is_pro") == [(140, 140)]
        assert len({change for change, _ in announced(nats_url)}) == len(announced(nats_url)) == 140
        assert parked(nats_url) == []


def test_the_database_is_migrated_under_a_running_older_version(nats_url, postgres_dsn, newer):
    with running(nats_url, postgres_dsn) as old:
        for number in range(8):
            publish(nats_url, [paid := Purchase(f"before-{number}").paid(at=0)])
            assert old.applied([paid])
        owner = {"DATABASE_URL": postgres_dsn, "NATS_URL": nats_url, **identity_of("entitlements"), "CHECKOUT_URL": "http://127.0.0.1:9"}
        subprocess.run([sys.executable, "-m", "entitlements", "migrate"], env=owner | newer, check=True)
        assert query(postgres_dsn, "SELECT version_num FROM alembic_version") == [("29990101_0001_next",)]
        for number in range(8):
            publish(nats_url, [paid := Purchase(f"after-{number}").paid(at=0)])
            assert old.applied([paid])
            assert old.entitlement(f"after-{number}")["isPro"]
        assert old.get("/readyz")[0] == 200
        assert '"consumer.retry"' not in old.log.read_text()


def test_every_migration_only_adds():
    """Whatever an older version reads or writes is still there."""
    for path in Path().glob("services/*/src/*/migrations/versions/*.py"):
        text = path.read_text().upper().replace("DROP INDEX", "")  # without one an older version is slower, and right
        if "DOWN_REVISION = NONE" in text:
            continue
        for word in ("DROP ", "RENAME ", "ALTER COLUMN", " TYPE ", "SET NOT NULL", "TRUNCATE", "DELETE FROM"):
            assert word not in text, f"{path}: {word}: an older version may still run on this database (decision 0010)"
