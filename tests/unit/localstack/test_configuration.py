"""What reaches which service of the local stack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas_kit.process.keys import new_key, public_half, read_trusted_keys
from atlas_localstack.cli.test import commands
from atlas_localstack.stack import configuration, description, permissions, plan, roles
from atlas_localstack.stack.generated import ServerPorts, keys_of, secrets_of
from atlas_localstack.stack.home import Home
from atlas_operator.local import environment

OWN_KEY, OWN_SECRET = "sk_test_sandboxabc", "whsec_own"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.create()
    return home


def planned(home: Home, **given: str) -> plan.Plan:
    secrets = secrets_of(home, roles.ROLES, tuple(permissions.GRANTS))
    stripe = configuration.stripe(given, secrets.stripe_key, secrets.stripe_webhook)
    return plan.Plan(home, 8000, ServerPorts(4222, 8222, 5432), secrets, keys_of(home, plan.SIGNERS), stripe, given)


def test_the_environment_wins_over_the_dotenv_file_and_empty_means_missing(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("NEXTAUTH_SECRET=from-file\nLOG_LEVEL=DEBUG\nEMPTY=\nPASSWORD=a$b\n")
    read = environment({"NEXTAUTH_SECRET": " from-shell ", "BLANK": " "}, dotenv)
    assert read == {"NEXTAUTH_SECRET": "from-shell", "LOG_LEVEL": "DEBUG", "PASSWORD": "a$b"}


def test_without_a_key_the_sandbox_is_stripe() -> None:
    found = configuration.stripe({}, OWN_KEY, OWN_SECRET)
    assert (found.sandbox, found.secret_key, found.webhook_secret) == (True, OWN_KEY, OWN_SECRET)


def test_a_real_key_with_its_companions_replaces_the_sandbox() -> None:
    given = {
        "STRIPE_SECRET_KEY": "rk_test_real",
        "STRIPE_WEBHOOK_SECRET": "whsec_a,whsec_b",
        "STRIPE_PRICE_PRO_LIFETIME": "price_real",
    }
    found = configuration.stripe(given, OWN_KEY, OWN_SECRET)
    assert (found.sandbox, found.price_id) == (False, "price_real")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"STRIPE_SECRET_KEY": "hunter2"}, "STRIPE_SECRET_KEY"),
        ({"STRIPE_SECRET_KEY": "sk_test_real"}, "STRIPE_WEBHOOK_SECRET, STRIPE_PRICE_PRO_LIFETIME"),
        ({"STRIPE_SECRET_KEY": "sk_test_real", "STRIPE_WEBHOOK_SECRET": "whsec_a"}, "STRIPE_PRICE_PRO_LIFETIME"),
    ],
)
def test_a_wrong_or_lonely_key_is_refused_by_name_and_never_by_value(given: dict[str, str], named: str) -> None:
    with pytest.raises(configuration.StackConfigurationError) as refused:
        configuration.stripe(given, OWN_KEY, OWN_SECRET)
    assert str(refused.value).startswith(named)
    assert not [value for value in given.values() if value in str(refused.value)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_WEBHOOK_SECRET", "hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_a,hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_"),
        ("STRIPE_PRICE_PRO_LIFETIME", "prod_hunter2"),
        ("NEXTAUTH_URL", "hunter2"),
        ("NEXTAUTH_URL", "https://hunter2.example/path"),
    ],
)
def test_what_the_sandbox_reads_too_is_refused_under_the_name_that_the_user_gave_it(name: str, value: str) -> None:
    with pytest.raises(configuration.StackConfigurationError) as refused:
        configuration.check({name: value, "PATH": "/bin"})
    assert str(refused.value).startswith(f"{name}: must")
    assert "hunter2" not in str(refused.value)


def test_what_the_services_accept_is_accepted_before_they_start() -> None:
    configuration.check({})
    for secrets in ("whsec_a", "whsec_new, whsec_old", "whsec_a,"):
        configuration.check({"STRIPE_WEBHOOK_SECRET": secrets})
    for url in ("http://127.0.0.1:8000", "https://atlas.example/", "HTTPS://Atlas.Example"):
        configuration.check({"NEXTAUTH_URL": url, "STRIPE_PRICE_PRO_LIFETIME": "price_1Q"})


def test_each_service_gets_what_it_needs_and_nobody_elses_secrets(home: Home) -> None:
    made = planned(home, PATH="/bin", EDITOR="vi", AWS_SECRET_ACCESS_KEY="x", RATE_LIMIT_PORTAL="1/1")
    environments = {service: plan.environment(made, service) for service in plan.SERVICES}
    holders = {
        "NEXTAUTH_SECRET": {"account-gateway"},
        "RATE_LIMIT_PORTAL": {"account-gateway"},
        "STRIPE_WEBHOOK_SECRET": {"webhook-ingest"},
        "STRIPE_SECRET_KEY": {"webhook-ingest", "checkout"},
        "DATABASE_URL": {"checkout", "entitlements"},
        "INTERNAL_SIGNING_KEY": set(plan.SERVICES),
        "INTERNAL_TRUSTED_KEYS": set(plan.SERVICES),
        "INTERNAL_READERS": {"entitlements"},
        "INTERNAL_AUTH_SECRET": set(),
        "NATS_URL": set(plan.SERVICES),
        "PATH": set(plan.SERVICES),
        "EDITOR": set(),
        "AWS_SECRET_ACCESS_KEY": set(),
    }
    for variable, expected in holders.items():
        assert {name for name, environment in environments.items() if variable in environment} == expected, variable
    assert len({environment["NATS_URL"] for environment in environments.values()}) == 4


def test_each_signs_with_its_own_key_and_knows_the_public_halves_of_all(home: Home) -> None:
    made = planned(home)
    environments = {part: plan.environment(made, part) for part in (*plan.SERVICES, plan.SANDBOX)}
    private = {name: made.signing_key(name)["d"] for name in plan.SIGNERS}
    for part, variables in environments.items():
        name = plan.SANDBOX_READER if part == plan.SANDBOX else part
        assert json.loads(variables["INTERNAL_SIGNING_KEY"])["kid"] == name
        shown = json.dumps(variables)
        assert {owner for owner, secret in private.items() if secret in shown} == {name}
    for service in plan.SERVICES:
        assert set(read_trusted_keys(environments[service]["INTERNAL_TRUSTED_KEYS"])) == set(plan.SIGNERS)


def test_keys_are_made_once_kept_and_private(home: Home) -> None:
    made = planned(home)
    first = {name: made.signing_key(name) for name in plan.SIGNERS}
    home.wipe()
    assert {name: planned(home).signing_key(name) for name in plan.SIGNERS} == first
    assert home.keys.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in home.keys.iterdir()} == {0o600}


def test_the_stack_tells_a_readers_key_and_nobody_elses(home: Home) -> None:
    made = planned(home)
    told = description.describe(made, {})
    assert told["auth"]["reader"] == {"issuer": "atlas-reader", "signing_key": made.signing_key("atlas-reader")}
    others = set(plan.SIGNERS) - {"atlas-reader"}
    assert not [name for name in others if made.signing_key(name)["d"] in json.dumps(told)]


def test_a_further_service_is_admitted_by_its_public_key_and_its_name(home: Home) -> None:
    coach = json.dumps({"keys": [public_half(new_key("coach"))]})
    made = planned(home, INTERNAL_TRUSTED_KEYS=coach, INTERNAL_READERS="coach", INTERNAL_SIGNING_KEY="of-the-shell")
    found = plan.environment(made, "entitlements")
    assert "coach" in read_trusted_keys(found["INTERNAL_TRUSTED_KEYS"])
    assert found["INTERNAL_READERS"] == "atlas-reader,stripe-sandbox,coach"
    assert "of-the-shell" not in json.dumps(found)


def test_the_secret_that_was_shared_reaches_the_services_only_so_that_they_can_say_that_it_is_not_read(home: Home) -> None:
    made = planned(home, INTERNAL_AUTH_SECRET="canary")
    assert all(plan.environment(made, service)["INTERNAL_AUTH_SECRET"] == "canary" for service in plan.SERVICES)
    assert "canary" not in json.dumps(plan.environment(made, plan.SANDBOX))
    assert "canary" not in home.secrets_file.read_text()


def test_what_the_stack_decides_cannot_be_overridden(home: Home) -> None:
    made = planned(home, DATABASE_URL="postgresql://mine", NATS_URL="nats://mine", PORT="1", CHECKOUT_URL="http://mine")
    for service in plan.SERVICES:
        assert "mine" not in " ".join(plan.environment(made, service).values())


def test_https_turns_dev_sign_in_off_and_secures_the_cookie(home: Home) -> None:
    made = planned(home, NEXTAUTH_URL="https://atlas.example/")
    assert "ATLAS_DEV_SIGN_IN" not in plan.environment(made, "account-gateway")
    described = description.describe(made, {})
    assert described["nextauth_url"] == "https://atlas.example"
    assert described["auth"]["cookie"] == "__Secure-next-auth.session-token"


def test_secrets_are_made_once_kept_and_private(home: Home) -> None:
    first = planned(home).secrets
    assert planned(home).secrets == first
    assert home.secrets_file.stat().st_mode & 0o777 == 0o600
    assert min(map(len, [first.nextauth, *first.postgres.values(), *first.nats.values()])) >= 32


def test_what_clicks_runs_after_what_starts_containers_and_what_measures_times_by_itself() -> None:
    beside, clicking, alone = commands("all", ["-q"])
    assert beside[:2] == ["-m", "not slow and not alone and not browser"]
    assert {"tests", "e2e", "-n"} < set(beside)
    assert clicking[:4] == ["-m", "not slow and not alone and browser", "-n", "2"]
    assert {"e2e", "loadfile"} < set(clicking)
    assert alone == ["-m", "not slow and alone", "e2e", "-q"]


def test_the_long_run_is_asked_for_and_paths_of_the_caller_replace_ours() -> None:
    assert all("not slow" not in arguments for arguments in commands("all", ["-m", "slow"]))
    assert "tests/unit" in commands("fast", [])[0]
    assert commands("fast", ["tests/unit/kit"]) == [["-m", "not slow", "tests/unit/kit"]]
