"""The ledger can't be changed, the schema is the models', and only those who may ask are answered."""

from __future__ import annotations

import secrets

import psycopg
import pytest

from atlas_kit.storage import migrations
from support.entitlements import Service, publish, query, running, token
from support.facts import Purchase
from support.identity import claims, key_of, signed
from support.servers import Postgres


@pytest.fixture(scope="module")
def module_postgres(postgres):
    return postgres


@pytest.fixture
def postgres_dsn(postgres: Postgres) -> str:
    """An empty database: the service migrates it when it starts."""
    return postgres.create_database()


def migrated(dsn: str) -> str:
    migrations.upgrade(dsn, "entitlements")
    return dsn


def insert_fact(dsn: str) -> None:
    entry = Purchase("ada").paid(at=0)
    query(
        dsn,
        "INSERT INTO ledger (provider, provider_event_id, event_id, type, user_id, product_key, plan_type, occurred_at,"
        " received_at, recorded_at, via, payload_hash, signature_verified, schema_version, facts)"
        " VALUES ('stripe', %s, %s, 'purchase_succeeded', 'ada', 'p', 'one_time', now(), now(), now(), 'webhook', 'h',"
        " true, 1, '{}') RETURNING seq",
        entry.data.provider_event_id, entry.data.event_id,
    )  # fmt: skip


CHANGES = {
    "UPDATE": "UPDATE ledger SET user_id = 'eve'",
    "UPDATE towards a forgotten name": "UPDATE ledger SET user_id = 'forgotten:1'",
    "UPDATE while pretending to forget": "SET atlas.forgetting = 'on'; UPDATE ledger SET type = 'x'",
    "DELETE": "DELETE FROM ledger",
    "TRUNCATE": "TRUNCATE ledger",
    "TRUNCATE CASCADE": "TRUNCATE ledger CASCADE",
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_ledger_refuses_change_even_by_its_owner(change, postgres_dsn):
    insert_fact(migrated(postgres_dsn))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(postgres_dsn) as connection:
        connection.execute(CHANGES[change])
    assert query(postgres_dsn, "SELECT count(*), min(user_id) FROM ledger") == [(1, "ada")]


def as_role(dsn: str, role: str, password: str) -> str:
    head, _, tail = dsn.partition("@")
    return f"{head.partition('://')[0]}://{role}:{password}@{tail}"


@pytest.fixture
def separate_roles(postgres_dsn):
    """An owner that migrates and a service role with the least it needs, as the local stack makes them."""
    name, word = postgres_dsn.rpartition("/")[2], secrets.token_hex(8)
    owner, service = f"owner_{word}", f"service_{word}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        for role in (owner, service):
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{word}'")
        connection.execute(f"ALTER DATABASE {name} OWNER TO {owner}")
        connection.execute(f"GRANT ALL ON SCHEMA public TO {owner}")
        connection.execute(f"GRANT USAGE ON SCHEMA public TO {service}")
        connection.execute(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {service}"
        )
        connection.execute(f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT USAGE, SELECT ON SEQUENCES TO {service}")
    return as_role(postgres_dsn, owner, word), as_role(postgres_dsn, service, word)


def test_a_service_role_of_its_own_can_only_read_and_append(separate_roles, nats_url):
    owner, service_dsn = separate_roles
    with running(nats_url, service_dsn, DATABASE_MIGRATION_URL=owner) as service:
        buy = Purchase("ada")
        publish(nats_url, facts := [buy.paid(at=0), buy.charge_refunded(at=60)])
        assert service.applied(facts), "the service does its work with that role"
        assert service.entitlement("ada")["status"] == "revoked"
    for change in CHANGES.values():
        with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(service_dsn) as connection:
            connection.execute(change)
    for other in ("DROP TABLE ledger", "ALTER TABLE ledger DISABLE TRIGGER ALL", "CREATE TABLE mine (id int)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(service_dsn) as connection:
            connection.execute(other)
    for right in ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):  # beside the triggers, which speak first
        assert query(service_dsn, f"SELECT has_table_privilege('ledger', '{right}')") == [(False,)], right
    assert query(owner, "SELECT count(*) FROM ledger") == [(2,)]


def test_migrations_and_models_agree(postgres_dsn):
    assert migrations.configuration_differences(migrated(postgres_dsn), "entitlements") == []


def test_migrating_again_and_at_once_is_harmless(postgres_dsn):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrated, [postgres_dsn] * 4))
    assert migrations.current(postgres_dsn) == migrations.head("entitlements")


def test_applied_tells_honestly_whether_facts_are_folded(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        here, away = Purchase("ada").paid(at=0), Purchase("ada").paid(at=1)
        publish(nats_url, [here])
        assert service.applied([here])
        assert service.applied([here, here]), "naming one twice is no matter"
        assert service.applied([])
        assert not service.applied([here, away], timeout_ms=200)
        status, answer = service.get("/internal/applied", token("ada", issuer="checkout"), {"eventIds": "stripe:evt_1:x"})
        assert (status, answer["error"]["code"]) == (400, "invalid_request")


def test_a_read_after_the_database_has_ended_every_connection_succeeds(nats_url, postgres_dsn):
    """As after its restart, or the promotion of a standby."""
    with running(nats_url, postgres_dsn) as service:
        assert service.entitlement("ada")["status"] == "none"
        for _ in range(3):
            ended = query(postgres_dsn, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'atlas-entitlements'")
            assert (True,) in ended
            assert service.entitlement("ada")["status"] == "none"


MAY_ASK = {
    "/internal/entitlement": {"account-gateway", "checkout", "operator"},
    "/internal/entitlements": {"account-gateway"},
    "/internal/overview": {"account-gateway", "checkout"},
    "/internal/applied": {"checkout", "webhook-ingest"},
}


def test_reads_and_who_may_ask(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        buy, slow = Purchase("ada"), Purchase("bob")
        publish(nats_url, facts := [buy.paid(at=0), slow.pending(at=0), Purchase("cyd").free(at=0)])
        assert service.applied(facts)
        assert service.entitlement("nobody") == {
            "userId": "nobody", "isPro": False, "status": "none", "source": None, "activeFrom": None,
            "activeUntil": None, "version": 0, "reason": None, "updatedAt": None, "requestId": None,
        }  # fmt: skip
        assert service.entitlement("ada")["isPro"]
        assert not service.entitlement("bob")["isPro"]
        assert service.overview("bob")["payment"] == {"state": "processing", "since": "2026-03-01T12:00:00Z"}
        assert service.overview("ada")["payment"] is None
        assert service.overview("cyd")["payment"] is None, "a free checkout that grants nothing doesn't process"
        refused = {
            "no token": None,
            "no JWT": "abc",
            "another audience": token("ada", audience="checkout"),
            "another key": signed(claims("account-gateway", "entitlements", "ada"), key_of("account-gateway", 1)),
            "expired": signed(claims("account-gateway", "entitlements", "ada", iat=1_700_000_000, exp=1_700_000_060), key_of("account-gateway")),
            "alg none": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJhdWQiOiJlbnRpdGxlbWVudHMiLCJpc3MiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ.",
        }
        for path, body in (
            ("/internal/entitlement", None),
            ("/internal/entitlements", {"userIds": ["ada"]}),
            ("/internal/overview", None),
            ("/internal/applied", {"eventIds": []}),
        ):
            for why, bad in refused.items():
                status, answer = service.get(path, bad, body)
                assert (status, answer["error"]["code"]) == (401, "unauthorized"), (path, why)
            others = {"webhook-ingest", "somebody-else", "operator", "checkout", "account-gateway"} - MAY_ASK[path]
            for issuer in others:
                status, answer = service.get(path, token("ada", issuer=issuer), body)
                assert (status, answer["error"]["code"]) == (403, "forbidden"), (path, issuer)


def test_operator_routes_take_an_operators_token_and_no_other(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        for path in ("/operator/explain?user=ada", "/operator/holders", "/operator/state"):
            for bad in (None, token("ada"), token("operator", issuer="checkout")):
                assert service.get(path, bad)[0] in (401, 403), path
        assert service.get("/operator/explain?user=ada", token("operator", issuer="operator"))[0] == 200


def test_bad_configuration_is_refused_by_name_and_never_by_value(postgres_dsn):
    service = Service(
        "http://not-nats",
        postgres_dsn,
        {"DATABASE_URL": "mysql://u:hunter2@h/x", "BILLING_CURRENCY": "dollars", "INTERNAL_SIGNING_KEY": "hunter2", "INTERNAL_TRUSTED_KEYS": "hunter2"},
    )
    service.start(ready=False)
    assert service.process
    assert service.process.wait(30) == 2
    said = service.log.read_text()
    for name in ("NATS_URL", "DATABASE_URL", "BILLING_CURRENCY", "INTERNAL_SIGNING_KEY", "INTERNAL_TRUSTED_KEYS"):
        assert f"configuration: {name}: " in said
    assert "hunter2" not in said


def test_a_payment_that_another_policy_had_refused_does_not_hide_the_others(nats_url, postgres_dsn):
    """After a change of policy a fact may make a payment somebody's that was nobody's: all of theirs must be known."""
    good, unknown = Purchase("ada"), Purchase("ada")
    with running(nats_url, postgres_dsn, BILLING_REQUIRE_KNOWN_SESSION="true") as service:
        publish(nats_url, facts := [good.recorded(), good.paid(at=0), unknown.paid(at=10)])
        assert service.applied(facts)
        before = service.entitlement("ada")
        assert before["isPro"]
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, [refund := unknown.charge_refunded(at=60)])
        assert service.applied([refund])
        assert service.entitlement("ada") == before
