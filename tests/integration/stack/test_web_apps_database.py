"""What `import` and `shadow` make of a database that is wrong, closed, or full of surprises; the services are a table of answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from support.fake_operator import CommandLine, Done, FakeOperator, Lines, Refused, fake_operator
from support.pooler import pooler
from support.predecessor import PRODUCT, Population, make_tables, populate, read_only_role
from support.servers import Postgres

Run = Callable[..., Done]


@pytest.fixture(scope="module")
def dsn(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture(scope="module")
def people(dsn: str) -> Population:
    def seed(sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"id": f"cs_test_{n}", "payment_intent": f"pi_{n}", "charge": f"ch_{n}", "customer": f"cus_{n}" if one.get("customer") else None}
            for n, one in enumerate(sessions)
        ]

    return populate(dsn, 120, seed)


@pytest.fixture
def services() -> Iterator[FakeOperator]:
    with fake_operator() as fake:
        fake.routes["/operator/import-grants"] = lambda _, body: {"outcomes": ["new" for _ in body["grants"]], "applied": True}
        fake.routes["/operator/import-purchases"] = lambda _, body: Lines([
            *({"userId": claim["userId"], "id": name, "outcome": "known", "because": None} for claim in body["claims"] for name in (*claim["customerIds"], *claim["paymentIds"])),
            {"settled": 1}, {"done": True},
        ])  # fmt: skip
        yield fake


@pytest.fixture
def atlas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], services: FakeOperator) -> CommandLine:
    monkeypatch.delenv("ATLAS_DATABASE_URL", raising=False)
    return CommandLine(monkeypatch, capsys, services.url)


def one_sentence(done: Done, code: int = 1) -> str:
    said = (done.out + done.err).strip()
    assert done.code == code and len(said.splitlines()) == 1 and said.startswith("✗ "), said
    assert "Traceback" not in said and "secret" not in said
    return said


@pytest.mark.parametrize("command", ["import", "shadow"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: re.sub("@[^:/]+", "@nowhere.invalid", url), "its host has no address"),
        (lambda url: f"{url.rpartition(':')[0]}:1/{url.rpartition('/')[2]}", "nothing listens"),
        (lambda url: url.rpartition("/")[0] + "/nothing_here", "no such database"),
        (lambda url: url.replace("postgresql://", "mysql://"), "DSN must be a Postgres URL"),
        (lambda url: f"{url}?sslmood=require", "DSN has a parameter that can't be used: 'sslmood'"),
        (lambda url: f"{url}?schema=elsewhere", "no schema elsewhere"),
        (lambda url: f"{url}?sslmode=verify-full&sslrootcert=system", "DSN's sslmode"),
        (lambda url: "postgresql://[", "DSN"),
    ],
)
def test_a_wrong_dsn_is_one_sentence_that_says_what_to_do_and_nothing_is_asked(
    atlas: CommandLine, services: FakeOperator, dsn: str, command: str, change: Callable[[str], str], words: str
) -> None:
    understood = words not in ("DSN", "DSN must be a Postgres URL", "DSN has a parameter that can't be used: 'sslmood'")
    said = one_sentence(atlas(command, "project-atlas", change(read_only_role(dsn))), 1 if understood else 2)
    assert words in said
    assert not services.posts("/operator/import-grants")


def test_a_wrong_password_is_not_shown(atlas: CommandLine, dsn: str, people: Population) -> None:
    wrong = read_only_role(dsn).replace("read-only-secret", "a-wrong-secret")
    try:
        psycopg.connect(wrong).close()
    except psycopg.OperationalError:
        assert "refuses the user or the password" in one_sentence(atlas("import", "project-atlas", wrong))
    else:
        pytest.skip("this server trusts everybody on this machine")


@pytest.mark.parametrize("command", ["import", "shadow"])
def test_a_role_without_rights_is_told_the_grant_that_gives_them_and_no_more(
    atlas: CommandLine, dsn: str, people: Population, command: str
) -> None:
    reader = f"{read_only_role(dsn)}?schema=public&connection_limit=1&pgbouncer=true"
    said = one_sentence(atlas(command, "project-atlas", reader))
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(said.partition("says: ")[2])
        assert atlas(command, "project-atlas", reader).err.strip() == ""
    with psycopg.connect(reader.partition("?")[0]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute('SELECT email FROM "User"')


def test_missing_tables_and_another_apps_are_named(atlas: CommandLine, postgres: Postgres) -> None:
    empty = postgres.create_database()
    said = one_sentence(atlas("import", "project-atlas", empty))
    assert '"User", "ProEntitlement", "BillingEntitlementProjection" and "BillingEventLedger"' in said
    with psycopg.connect(empty) as database:
        make_tables(database)
        database.execute('ALTER TABLE "ProEntitlement" RENAME source TO origin')
    assert '"ProEntitlement"."source"' in one_sentence(atlas("shadow", "project-atlas", empty))


def test_a_table_that_is_locked_is_waited_for_and_then_told(atlas: CommandLine, dsn: str, people: Population, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atlas_operator.predecessor.connection.LOCK_WAIT", b"SET LOCAL lock_timeout = '50ms'")
    with psycopg.connect(dsn) as owner:
        owner.execute('LOCK TABLE "ProEntitlement"')
        assert "are locked" in one_sentence(atlas("import", "project-atlas", dsn))


def test_it_is_read_through_a_pooler_that_knows_no_startup_options(atlas: CommandLine, dsn: str, people: Population) -> None:
    with pooler(dsn) as pooled:
        told = json.loads(atlas("import", "project-atlas", f"{pooled.url}?pgbouncer=true&connection_limit=1", "--json").out)
    assert told["read"] == len(people.with_rows)


def test_the_dsn_may_stay_out_of_the_shells_history(atlas: CommandLine, dsn: str, people: Population, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_DATABASE_URL", dsn)
    assert json.loads(atlas("import", "project-atlas", "--json", "--dry-run").out)["read"] == len(people.with_rows)


def test_everything_is_read_in_one_read_only_transaction(atlas: CommandLine, services: FakeOperator, dsn: str, people: Population) -> None:
    def look(_: Any, body: Any) -> Any:
        with psycopg.connect(dsn) as database:
            rows = database.execute(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'atlas-import' AND state = 'idle in transaction'"
            ).fetchall()
        assert len(rows) == 1
        return {"outcomes": ["new" for _ in body["grants"]], "applied": True}

    services.routes["/operator/import-grants"] = look
    assert atlas("import", "project-atlas", dsn).code == 0
    with psycopg.connect(dsn) as database:
        assert not database.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'atlas-import'").fetchall()


def test_what_people_read_has_one_line_for_each_refusal_and_no_control_characters(atlas: CommandLine, dsn: str, people: Population) -> None:
    shown = atlas("import", "project-atlas", dsn).out
    told = json.loads(atlas("import", "project-atlas", dsn, "--json").out)
    lines = shown.splitlines()
    assert len(lines) == len(told["refused"]) + 2, "below them what was read, and how many are Pro now"
    assert "\x1b" not in shown and "\x07" not in shown
    assert max(map(len, lines)) < 300
    assert lines[-2].startswith(f"{told['read']} users read: something new was told of {told['new']}, {told['known']} known already, ")


def test_a_service_that_refuses_ends_the_import_with_exit_code_1(atlas: CommandLine, services: FakeOperator, dsn: str, people: Population) -> None:
    services.routes["/operator/import-purchases"] = lambda _, body: Lines([{"error": {"message": "Stripe is temporarily unavailable."}}])
    assert "Stripe is temporarily unavailable." in one_sentence(atlas("import", "project-atlas", dsn))
    services.routes["/operator/import-purchases"] = lambda _, body: Lines([{"settled": 1}])
    assert "cut off; run the command again" in one_sentence(atlas("import", "project-atlas", dsn))
    services.routes["/operator/import-grants"] = Refused(503, "Service is temporarily unavailable.")
    assert one_sentence(atlas("import", "project-atlas", dsn))


def test_questions_about_purchases_are_of_a_bounded_size(atlas: CommandLine, services: FakeOperator, dsn: str, people: Population, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atlas_operator.predecessor.importing.USERS_AT_ONCE", 7)
    assert atlas("import", "project-atlas", dsn).code == 0
    asked = services.posts("/operator/import-purchases")
    assert {len(body["claims"]) for body in asked[:-1]} == {7}
    users = [claim["userId"] for body in asked for claim in body["claims"]]
    assert len(users) == len(set(users)) > 50


def test_another_schema_is_where_prisma_says(atlas: CommandLine, postgres: Postgres) -> None:
    dsn = postgres.create_database()
    populate(dsn, 40, lambda sessions: [{"id": f"cs_{n}", "payment_intent": f"pi_{n}", "charge": None, "customer": None} for n, _ in enumerate(sessions)], schema="Atlas App")
    told = json.loads(atlas("shadow", "project-atlas", f"{dsn}?schema=Atlas%20App", "--json").out)
    assert told["users"] > 40 and told["equal"] + len(told["differ"]) == told["users"]


def test_dates_that_postgres_knows_and_nobody_else_are_refused_and_the_rest_goes_on(atlas: CommandLine, postgres: Postgres) -> None:
    dsn = postgres.create_database()
    with psycopg.connect(dsn) as database:
        make_tables(database)
        for number, date in enumerate(("infinity", "-infinity", "0044-03-15 BC", "12026-01-01", "2026-01-01 10:00:00.123")):
            database.execute('INSERT INTO "User" (id, email) VALUES (%s, %s)', (f"u{number}", f"u{number}@example.com"))
            database.execute(
                'INSERT INTO "ProEntitlement" (id, "userId", status, "restoredAt", "createdAt", "updatedAt")'
                " VALUES (%s, %s, 'active', %s, now(), now())",
                (f"e{number}", f"u{number}", date),
            )
        database.execute(
            'INSERT INTO "BillingEntitlementProjection" (id, "userId", "productKey", status, provider, "createdAt", "updatedAt")'
            " VALUES ('p', 'u0', %s, 'active', 'manual', '2026-02-03', '2026-02-04')", (PRODUCT,)
        )  # fmt: skip
    told = json.loads(atlas("import", "project-atlas", dsn, "--json").out)
    assert (told["read"], told["new"]) == (5, 1)
    assert {row["userId"] for row in told["refused"]} == {"u0", "u1", "u2", "u3"}
