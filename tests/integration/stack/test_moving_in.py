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

from support.buyer import Buyer, explain
from support.predecessor import Person, Population, populate, refused_for
from support.servers import Postgres
from support.stack import Stack, eventually, running_stack
from support.stripe_events import body_of, event, signature

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

    @property
    def early(self) -> list[Person]:
        """Old sessions of these are told by webhook before the import."""
        return [self.people.of_kind("bought")[0], self.people.of_kind("refunded_but_active")[0]]

    @property
    def late(self) -> list[Person]:
        """And of these afterwards."""
        return [*self.people.of_kind("bought")[1:3], *self.people.of_kind("refunded_but_active")[:3]]

    def deliver(self, person: Person, event_type: str) -> None:
        """What Stripe tells of an old session, signed as Stripe signs it; nothing for a charge that wasn't refunded."""
        buyer = Buyer(self.stack, person.id)
        if event_type == "charge.refunded":
            obj = buyer.stripe.v1.charges.retrieve(person.session["charge"])
            if not obj.amount_refunded:
                return
        else:
            obj = buyer.stripe.v1.checkout.sessions.retrieve(person.session["id"])
        created = int(person.began.timestamp()) + (3_600 if event_type == "charge.refunded" else 0)
        event_id = f"evt_late_{person.id}_{event_type.replace('.', '_')}"
        body = body_of(event(event_type, json.loads(str(obj)), id=event_id, created=created))
        webhook = self.stack.json["webhook"]
        answer = httpx.post(webhook["url"], content=body, headers={"stripe-signature": signature(body, webhook["secret"])}, timeout=30)
        assert answer.status_code == 200, answer.text

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
    """The first import: tried, begun and killed in the middle, then repeated; with some webhooks before it."""
    dry = move.imported("--dry-run")
    assert dry["new"] > 0
    assert move.announcements() == 0, "a dry run tells nothing"
    for person in move.early:
        move.deliver(person, "checkout.session.completed")
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


def test_each_refusal_is_about_one_thing_and_names_whose_it_is(move: Move, first: dict[str, Any]) -> None:
    refused = [person for person in move.people.people if person.of.refused]
    assert refused_for(first, refused) == []
    assert {row["userId"] for row in first["refused"]} == {None, *(person.id for person in refused)}
    assert sum(row["userId"] is None for row in first["refused"]) == 2, "rows of users that are gone"


def test_everybody_has_one_announcement_whatever_it_took_to_bring_them_in(move: Move, first: dict[str, Any]) -> None:
    """Nobody was Pro for a moment through a payment that was refunded long ago."""
    with psycopg.connect(move.stack.json["postgres"]["databases"]["entitlements"]) as database:
        rows = database.execute("SELECT user_id, version FROM entitlements WHERE version <> 1").fetchall()
    # Bought after a grant that was told first: a second source. And those of whom a webhook told but a part.
    told_in_parts = {person.id for person in (*move.people.of_kind("manual_and_bought", "manual_and_refunded"), *move.early)}
    assert [row for row in rows if row[0] not in told_in_parts] == []


def test_a_second_import_tells_nothing_and_audit_and_rebuild_find_nothing(move: Move, first: dict[str, Any]) -> None:
    before = move.announcements()
    told = move.imported()
    assert (told["new"], told["read"], told["refused"]) == (0, first["read"], first["refused"])
    assert told["read"] - len({row["userId"] for row in told["refused"]} - {None}) <= told["known"] < told["read"]
    assert move.announcements() == before
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


def test_customers_are_known_for_the_portal_and_sessions_for_a_restore(move: Move, first: dict[str, Any]) -> None:
    with psycopg.connect(move.stack.json["postgres"]["databases"]["checkout"]) as database:
        customers = dict(database.execute("SELECT user_id, customer_id FROM customers").fetchall())
        sessions = dict(database.execute("SELECT checkout_session_id, user_id FROM checkout_attempts").fetchall())
    for person in move.people.of_kind("bought_with_customer", "customer_only"):
        assert customers[person.id] == person.session["customer"]
    for person in move.people.of_kind("bought", "restored_only", "known_by_event_id", "refunded_but_active"):
        assert sessions[person.session["id"]] == person.id
    refunded = Buyer(move.stack, move.people.of_kind("refunded_but_active")[-1].id)
    restored = refunded.post("/api/pro/restore", {"trigger": "account"})
    assert (restored["outcome"], restored["reason"]) == ("not_eligible", "refunded"), "found without a customer"
    refunded.browser.close()


def test_what_changes_there_is_told_once_and_an_operators_word_outlives_every_import(move: Move, first: dict[str, Any]) -> None:
    """Two imports at once, beside webhooks of old sessions that come now."""
    ended, again, other = move.people.of_kind("promo")[:3]
    revoked, touched = move.people.of_kind("play_store")[:2]
    done = move.stack.atlas("revoke", revoked.id, "--reason", "a refund at the store")
    assert done.returncode == 0 and "revoked through android_iap" in done.stdout, done.stderr
    for person in (ended, other, again):
        move.change('UPDATE "ProEntitlement" SET status = \'revoked\', "updatedAt" = now() WHERE "userId" = %s', person.id)
    for person in (revoked, touched):
        move.change('UPDATE "ProEntitlement" SET "updatedAt" = now() WHERE "userId" = %s', person.id)
    before = move.announcements()
    both = [
        subprocess.Popen(move.stack.command("import", "project-atlas", move.dsn, "--json"), env=move.stack.environment(), stdout=subprocess.PIPE)
        for _ in range(2)
    ]  # fmt: skip
    for person in move.late:
        for _ in range(2):
            move.deliver(person, "charge.refunded")
            move.deliver(person, "checkout.session.completed")
    for process in both:
        process.communicate(timeout=IMPORT_SECONDS)
        assert process.returncode == 0
    # Three grants ended, and the webhooks date three refunds that were known from a read alone. Touched rows say nothing.
    dated = [person for person in move.late if person.kind == "refunded_but_active"]
    assert move.announcements() == before + 3 + len(dated)
    assert move.stack.atlas("grant", "only-here", "--reason", "a guest").returncode == 0
    move.change('UPDATE "ProEntitlement" SET status = \'active\', "updatedAt" = now() WHERE "userId" = %s', again.id)
    assert move.imported()["new"] == 1
    differ = {row["userId"]: row for row in move.shadow()["differ"]}
    assert set(differ) == {*move.people.differing, revoked.id, "only-here"}, "each has the verdict that it had"
    assert "a refund at the store" in differ[revoked.id]["because"]
    assert differ["only-here"]["because"].startswith("There is no such account there.")


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
