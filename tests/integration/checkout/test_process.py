"""The service as a process: configuration, migrations, and what it doesn't carry with it."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest

from atlas_kit.storage import migrations
from support.identity import identity_of

GOOD = {
    **identity_of("checkout"),
    "NATS_URL": "nats://127.0.0.1:4222",
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:5432/checkout",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_PRICE_PRO_LIFETIME": "price_1",
    "NEXTAUTH_URL": "https://atlas.example",
}


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "checkout", *arguments], env={**kept, **environ}, capture_output=True, text=True, timeout=60
    )


def test_without_any_configuration_every_required_variable_is_named():
    done = run()
    assert done.returncode == 2
    named = {line.split(": ")[1] for line in done.stderr.splitlines()}
    assert named == set(GOOD)


BAD = (
    ("INTERNAL_SIGNING_KEY", "canary"),
    ("INTERNAL_TRUSTED_KEYS", "canary"),
    ("STRIPE_SECRET_KEY", "pk_test_canary"),
    ("STRIPE_PRICE_PRO_LIFETIME", "prod_canary"),
    ("NEXTAUTH_URL", "https://atlas.example/canary"),
    ("DATABASE_URL", "mysql://canary"),
    ("NATS_URL", "http://canary"),
    ("ENTITLEMENTS_URL", "canary"),
    ("STRIPE_API_BASE", "canary"),
    ("STRIPE_BILLING_PORTAL_CONFIGURATION_ID", "canary"),
    ("DATABASE_POOL_SIZE", "1"),
)


@pytest.fixture(scope="module")
def refused() -> subprocess.CompletedProcess[str]:
    """What the process says of all bad values at once: a start for each would take a second and a half."""
    return run(**{**GOOD, **dict(BAD)})


@pytest.mark.parametrize(("variable", "value"), BAD)
def test_a_bad_value_is_refused_by_name_and_never_shown(refused, variable, value):
    assert refused.returncode == 2
    assert [line for line in refused.stderr.splitlines() if line.startswith(f"configuration: {variable}: ")]
    assert value not in refused.stderr or len(value) < 3


def test_a_single_bad_value_is_the_only_thing_said():
    done = run(**{**GOOD, "NEXTAUTH_URL": "ftp://canary"})
    assert done.returncode == 2
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["NEXTAUTH_URL"]
    assert "canary" not in done.stderr


def test_a_live_key_goes_to_stripe_and_nowhere_else():
    done = run(**{**GOOD, "STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_API_BASE": "http://127.0.0.1:8004"})
    assert done.returncode == 2
    assert "configuration: STRIPE_API_BASE: must not be set together with a live key" in done.stderr


def test_migrate_makes_the_schema_that_the_models_declare_and_again_changes_nothing(postgres_dsn):
    for _ in range(2):
        assert run("migrate", **{**GOOD, "DATABASE_URL": postgres_dsn}).returncode == 0
    assert migrations.configuration_differences(postgres_dsn, "checkout") == []
    assert migrations.current(postgres_dsn) == migrations.head("checkout")


def test_two_replicas_may_migrate_at_once(postgres_dsn):
    command = [sys.executable, "-m", "checkout", "migrate"]
    environ = {**os.environ, **GOOD, "DATABASE_URL": postgres_dsn}
    both = [subprocess.Popen(command, env=environ) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]


def test_the_database_allows_one_live_attempt_per_user(postgres_dsn):
    migrations.upgrade(postgres_dsn, "checkout")
    insert = (
        "INSERT INTO checkout_attempts (id, user_id, customer_id, price_id, source, state, parameters, expires_at)"
        " VALUES (gen_random_uuid(), 'u', 'cus_1', 'price_1', 'direct', %s, '{}', now())"
    )
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        for state in ("failed", "expired", "complete", "complete", "open"):
            connection.execute(insert, (state,))
        for state in ("creating", "open", "pending"):
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute(insert, (state,))


def test_sqlalchemy_and_alembic_stay_out_of_the_running_service():
    code = (
        "import sys; from checkout.app import build; from checkout.settings import CheckoutSettings;"
        "from atlas_kit.process.settings import load; import os; build(load(CheckoutSettings, dict(os.environ)));"
        "print([name for name in ('sqlalchemy', 'sqlmodel', 'alembic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **GOOD}, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
