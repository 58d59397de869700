"""Moving in: the existing web app's users, imported, compared, imported again, and their webhooks beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from support.buyer import explain
from support.predecessor import Person, Population, populate, read_only_role, refused_for
from support.servers import Postgres
from support.stack import Stack, eventually, running_stack

USERS = 400
IMPORT_SECONDS = 300


@dataclass
class Move:
    """A running stack, and the web app's database beside it."""

    stack: Stack
    dsn: str
    people: Population

    def run(self, *arguments: str, dsn: str | None = None) -> subprocess.CompletedProcess[str]:
        command, *options = arguments
        return self.stack.atlas(command, "project-atlas", dsn or self.dsn, *options, timeout=IMPORT_SECONDS)

    def imported(self, *options: str) -> dict[str, Any]:
        done = self.run("import", *options, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def shadow(self) -> dict[str, Any]:
        done = self.run("shadow", "--json")
        told = json.loads(done.stdout)
        assert done.returncode == (1 if told["differ"] else 0), done.stderr
        return told

    def announcements(self) -> int:
        """How many changes of entitlements have been decided so far."""
        with psycopg.connect(self.stack.json["postgres"]["databases"]["entitlements"]) as database:
            return database.execute("SELECT coalesce(sum(version), 0) FROM entitlements").fetchone()[0]

    def change(self, statement: str, *parameters: Any) -> None:
        with psycopg.connect(self.dsn) as database:
            database.execute(statement, parameters)


def seed(stack: Stack, sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = httpx.post(stack.url("sandbox") + "/_sandbox/seed", json={"sessions": sessions}, timeout=120)
    assert answer.is_success, answer.text
    return answer.json()["data"]


def moving(postgres: Postgres, users: int) -> Iterator[Move]:
    with running_stack({"BILLING_PULL_INTERVAL_SECONDS": "0"}) as stack:
        dsn = postgres.create_database()
        people = populate(dsn, users, lambda sessions: seed(stack, sessions))
        yield Move(stack, dsn, people)


@pytest.fixture(scope="module")
def move(postgres: Postgres) -> Iterator[Move]:
    yield from moving(postgres, USERS)


@pytest.fixture(scope="module")
def first(move: Move) -> dict[str, Any]:
    """The first import, killed in the middle before it ended, then repeated."""
    dry = move.imported("--dry-run")
    assert dry["new"] > 0
    assert move.announcements() == 0, "a dry run tells nothing"
    process = subprocess.Popen(
        move.stack.command("import", "project-atlas", move.dsn, "--json"), env=move.stack.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    eventually(lambda: move.announcements() > 20, what="the import has begun")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    told = move.imported()
    assert told["read"] == dry["read"] == len(move.people.with_rows)
    assert {row["userId"] for row in told["refused"]} == {row["userId"] for row in dry["refused"]}
    return told


def test_shadow_differs_only_where_the_web_app_is_wrong_and_says_why(move: Move, first: dict[str, Any]) -> None:
    told = move.shadow()
    compared = [person for person in move.people.people if not person.of.gone]
    assert told["users"] == len(compared)
    found = {row["userId"]: row for row in told["differ"]}
    expected = move.people.differing
    assert set(found) == set(expected), _surprises(found, expected)
    for user, row in found.items():
        assert (row["there"], row["here"]) == (expected[user].of.there, expected[user].of.here), row
    reasons = {person.kind: found[person.id]["because"] for person in expected.values()}
    assert "refunded" in reasons["refunded_but_active"]
    assert "chargeback_lost" in reasons["lost_but_active"]
    assert "grants: paid" in reasons["partly_refunded_and_revoked"]
    assert "Nothing that grants is known here" in reasons["unknown_at_stripe"]


def _surprises(found: dict[str, Any], expected: dict[str, Person]) -> Any:
    return [found[user] for user in set(found) - set(expected)] + [expected[user] for user in set(expected) - set(found)]


def test_each_refusal_is_one_line_about_one_thing(move: Move, first: dict[str, Any]) -> None:
    refused = [person for person in move.people.people if person.of.refused]
    assert refused_for(first, refused) == []
    assert {row["userId"] for row in first["refused"]} == {None, *(person.id for person in refused)}
    assert sum(row["userId"] is None for row in first["refused"]) == 2, "rows of users that are gone"
    shown = move.run("import").stdout
    assert "\x1b" not in shown and "\x07" not in shown
    assert max(map(len, shown.splitlines())) < 300


def test_a_second_import_tells_nothing_new_and_announces_nothing(move: Move, first: dict[str, Any]) -> None:
    before = move.announcements()
    told = move.imported()
    assert told["new"] == 0
    assert (told["read"], told["refused"]) == (first["read"], first["refused"])
    assert told["known"] + len({row["userId"] for row in told["refused"]}) >= told["read"]
    assert move.announcements() == before


def test_nobody_was_announced_pro_who_is_not(move: Move, first: dict[str, Any]) -> None:
    """Importing never announces a change that isn't one: each has one version, whatever it came to."""
    with psycopg.connect(move.stack.json["postgres"]["databases"]["entitlements"]) as database:
        rows = database.execute("SELECT user_id, version FROM entitlements WHERE version <> 1").fetchall()
    both = {person.id for person in move.people.of_kind("manual_and_bought", "manual_and_refunded")}
    assert [row for row in rows if row[0] not in both] == []


def test_audit_and_rebuild_find_nothing_wrong(move: Move, first: dict[str, Any]) -> None:
    audited = json.loads(move.stack.atlas("audit", "--days", "3650", "--json").stdout)
    gone = {person.id for person in move.people.of_kind("deleted")}  # they paid, and nothing of them is brought in
    assert {row["userId"] for row in audited["paidNotPro"]} == gone, audited
    assert (audited["proNotPaid"], audited["secondPayments"]) == ([], [])
    verified = move.stack.atlas("rebuild", "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_an_imported_grant_is_explained_with_its_app_its_date_and_its_reason(move: Move, first: dict[str, Any]) -> None:
    person = move.people.of_kind("app_store")[0]
    told = explain(move.stack, person.id)
    [fact] = told["adjustments"]
    assert (fact["via"], told["verdict"]["source"]) == ("import", "ios_iap")
    assert told["verdict"]["activeFrom"] == fact["occurredAt"] == person.began.isoformat().replace("+00:00", "Z")
    assert "app_store in ProEntitlement of project-atlas" in fact["effect"]
    assert "Imported from another app" in move.stack.atlas("explain", person.id).stdout


def test_an_operator_ends_an_imported_grant_and_no_import_brings_it_back(move: Move, first: dict[str, Any]) -> None:
    person = move.people.of_kind("play_store")[0]
    revoked = move.stack.atlas("revoke", person.id, "--reason", "a refund at the store")
    assert revoked.returncode == 0, revoked.stderr
    assert "revoked through android_iap" in revoked.stdout
    assert move.imported()["new"] == 0
    move.change('UPDATE "ProEntitlement" SET "updatedAt" = now() WHERE "userId" = %s', person.id)
    assert move.imported()["new"] == 0, "the row was touched, and says the same"
    assert explain(move.stack, person.id)["verdict"]["isPro"] is False
    [row] = [row for row in move.shadow()["differ"] if row["userId"] == person.id]
    assert "a refund at the store" in row["because"]
    assert move.stack.atlas("grant", person.id, "--reason", "given back").returncode == 0


def test_what_is_revoked_there_meanwhile_is_told_by_the_next_import(move: Move, first: dict[str, Any]) -> None:
    person = move.people.of_kind("promo")[0]
    move.change('UPDATE "ProEntitlement" SET status = \'revoked\', "updatedAt" = now() WHERE "userId" = %s', person.id)
    assert move.imported()["new"] == 1
    verdict = explain(move.stack, person.id)["verdict"]
    assert (verdict["status"], verdict["source"]) == ("revoked", "manual")
    move.change('UPDATE "ProEntitlement" SET status = \'active\', "updatedAt" = now() WHERE "userId" = %s', person.id)
    assert move.imported()["new"] == 1
    assert explain(move.stack, person.id)["verdict"]["isPro"] is True


def test_customers_are_known_for_the_portal_and_sessions_for_a_restore(move: Move, first: dict[str, Any]) -> None:
    with psycopg.connect(move.stack.json["postgres"]["databases"]["checkout"]) as database:
        customers = dict(database.execute("SELECT user_id, customer_id FROM customers").fetchall())
        sessions = dict(database.execute("SELECT checkout_session_id, user_id FROM checkout_attempts").fetchall())
    for person in move.people.of_kind("bought_with_customer", "customer_only"):
        assert customers[person.id] == person.session["customer"]
    for person in move.people.of_kind("bought", "restored_only", "known_by_event_id", "refunded_but_active"):
        assert sessions[person.session["id"]] == person.id


def test_two_imports_at_once_tell_everything_once(move: Move, first: dict[str, Any]) -> None:
    person, other = move.people.of_kind("promo")[1:3]
    for one in (person, other):
        move.change('UPDATE "ProEntitlement" SET status = \'revoked\', "updatedAt" = now() WHERE "userId" = %s', one.id)
    before = move.announcements()
    both = [
        subprocess.Popen(move.stack.command("import", "project-atlas", move.dsn, "--json"), env=move.stack.environment(), stdout=subprocess.PIPE)
        for _ in range(2)
    ]  # fmt: skip
    for process in both:
        process.communicate(timeout=IMPORT_SECONDS)
        assert process.returncode == 0
    assert move.announcements() == before + 2


def test_an_old_sessions_webhook_that_comes_late_changes_nobodys_verdict(move: Move, first: dict[str, Any]) -> None:
    """The same facts by the usual door: what Stripe sends now of what was imported."""
    before = {row["userId"]: row["here"] for row in move.shadow()["differ"]}
    announced = move.announcements()
    bought, refunded = move.people.of_kind("bought")[0], move.people.of_kind("refunded_but_active")[0]
    for person in (bought, refunded):
        for name in (person.session["id"],):
            done = httpx.post(move.stack.url("sandbox") + f"/_sandbox/checkout/{name}/pay", json={"outcome": "paid"}, timeout=30)
            assert done.status_code == 400, "it is paid already"
    assert {row["userId"]: row["here"] for row in move.shadow()["differ"]} == before
    assert move.announcements() == announced


def test_whoever_is_pro_only_here_is_told_as_well(move: Move, first: dict[str, Any]) -> None:
    assert move.stack.atlas("grant", "only-here", "--reason", "a guest").returncode == 0
    [row] = [row for row in move.shadow()["differ"] if row["userId"] == "only-here"]
    assert row["because"].startswith("There is no such account there.")
    assert move.stack.atlas("revoke", "only-here", "--reason", "gone").returncode == 0


@pytest.mark.parametrize("change", ["host", "port", "password", "database", "scheme", "parameter", "schema"])
def test_a_wrong_dsn_is_one_sentence_that_says_what_to_do_and_nothing_is_written(move: Move, first: dict[str, Any], change: str) -> None:
    reader = read_only_role(move.dsn)
    wrong = {
        "host": reader.replace("127.0.0.1", "nowhere.invalid").replace("localhost", "nowhere.invalid"),
        "port": reader.rpartition(":")[0] + ":1/" + reader.rpartition("/")[2],
        "password": reader.replace("read-only-secret", "a-wrong-secret"),
        "database": reader.rpartition("/")[0] + "/nothing_here",
        "scheme": "mysql://root:read-only-secret@localhost/app",
        "parameter": f"{reader}?sslmood=require",
        "schema": f"{reader}?schema=elsewhere",
    }[change]
    for command in ("import", "shadow"):
        done = move.run(command, "--json", dsn=wrong)
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        assert len(said.strip().splitlines()) == 1 and "secret" not in said and "Traceback" not in said, said
        assert said.strip().endswith((".", "?")), said


def test_a_role_without_rights_is_told_the_grant_that_gives_them(move: Move, first: dict[str, Any]) -> None:
    reader = read_only_role(move.dsn)
    refused = move.run("import", "--json", dsn=f"{reader}?schema=public&connection_limit=1&pgbouncer=true")
    assert refused.returncode == 1
    statement = refused.stderr.partition("says: ")[2].strip()
    assert statement.startswith("GRANT ")
    with psycopg.connect(move.dsn) as owner:
        owner.execute(statement)
    told = json.loads(move.run("import", "--json", dsn=f"{reader}?schema=public&connection_limit=1&pgbouncer=true").stdout)
    assert told["read"] == first["read"]
    with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute('SELECT email FROM "User"')


def test_another_apps_tables_are_named(move: Move, postgres: Postgres) -> None:
    empty = postgres.create_database()
    done = move.run("import", dsn=empty)
    assert done.returncode == 1
    assert '"ProEntitlement"' in done.stderr and '"User"' in done.stderr
    with psycopg.connect(empty) as database:
        for table in ("User", "ProEntitlement", "BillingEntitlementProjection", "BillingEventLedger"):
            database.execute(f'CREATE TABLE "{table}" (id text PRIMARY KEY)')
    done = move.run("shadow", dsn=empty)
    assert done.returncode == 1
    assert '"User"."deletedAt"' in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_thousand_users_are_imported_within_the_time_that_was_promised(postgres: Postgres) -> None:
    for move in moving(postgres, 5000):
        started = time.monotonic()
        told = move.imported()
        print(f"5,000 users: {time.monotonic() - started:.0f} s")
        assert told["read"] == len(move.people.with_rows)
        assert time.monotonic() - started < 600
        assert move.imported()["new"] == 0
        assert {row["userId"] for row in move.shadow()["differ"]} == set(move.people.differing)
