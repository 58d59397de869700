"""The gateway refuses to start with a bad configuration and names every bad variable, never its value."""

from __future__ import annotations

import pytest

from account_gateway.entrypoints.api.rate_limits import Limit
from account_gateway.settings import GatewaySettings
from atlas_kit.process.settings import ConfigurationError, load
from support.identity import identity_of

GOOD = {
    **identity_of("account-gateway"),
    "NATS_URL": "nats://gateway:pw@127.0.0.1:4222",
    "NEXTAUTH_URL": "https://atlas.example",
    "NEXTAUTH_SECRET": "newest, older",
}


def refused(**changes: str) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        load(GatewaySettings, GOOD | changes)
    return str(refusal.value)


def test_the_smallest_configuration_is_enough() -> None:
    settings = load(GatewaySettings, GOOD)
    assert settings.secrets == ("newest", "older")
    assert settings.secure
    assert settings.nextauth_session_strategy == "jwt"
    assert not settings.dev_sign_in
    assert settings.rate_limit_checkout == Limit(count=10, seconds=60)
    assert settings.rate_limit_portal == Limit(count=10, seconds=60)
    assert settings.rate_limit_restore == Limit(count=5, seconds=60)
    assert settings.rate_limit_confirm == Limit(count=20, seconds=60)


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_or_empty_variable_is_named(name: str) -> None:
    assert refused(**{name: "   "}) == f"{name}: is required"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INTERNAL_SIGNING_KEY", "short-canary"),
        ("INTERNAL_TRUSTED_KEYS", "short-canary"),
        ("NATS_URL", "http://canary.example"),
        ("NEXTAUTH_URL", "atlas.canary"),
        ("NEXTAUTH_URL", "https://atlas.canary/path"),
        ("NEXTAUTH_SECRET", ","),
        ("NEXTAUTH_SECRET", ",".join(f"canary{i}" for i in range(11))),
        ("NEXTAUTH_SESSION_STRATEGY", "canary"),
        ("ATLAS_DATABASE_URL", "mysql://canary"),
        *[("ATLAS_DATABASE_URL", f"postgresql://canary@db.example/atlas?{query}") for query in (
            "sslmode=canary", "sslaccept=canary", "nonsense=canary", "sslidentity=canary.p12", "connect_timeout=canary",
            "sslaccept=strict&sslcert=/canary/ca.pem", "sslrootcert=/canary/ca.pem", "schema=%00canary", "schema=" + "canary" * 11,
        )],
        ("ATLAS_DATABASE_URL", "prisma://accelerate.canary/?api_key=canary"),
        *[("ATLAS_SIGN_IN_URL", url) for url in (
            "canary", "//canary.example/", "http://canary.example/?to=", "javascript:canary", "https://", "/\\canary.example/",
            "https://user:canary@login.example/?to=", "/login?to=canary#", "/login canary", "https://login.example//canary\x07",
        )],
        ("ATLAS_DEV_SIGN_IN", "canary"),
        ("CHECKOUT_URL", "canary"),
        ("ENTITLEMENTS_URL", "canary:8003"),
        ("RATE_LIMIT_CHECKOUT", "canary"),
        ("RATE_LIMIT_PORTAL", "10"),
        ("RATE_LIMIT_RESTORE", "0/60"),
        ("RATE_LIMIT_CONFIRM", "-1/60"),
        ("PORT", "70000"),
        ("LOG_LEVEL", "canary"),
    ],
)
def test_a_bad_value_is_named_and_never_shown(name: str, value: str) -> None:
    message = refused(**{name: value})
    assert message.startswith(f"{name}: ")
    assert "canary" not in message


def test_all_bad_variables_are_named_at_once() -> None:
    message = refused(NEXTAUTH_URL="x", NEXTAUTH_SECRET="", NATS_URL="x", RATE_LIMIT_CONFIRM="x")
    assert [line.partition(":")[0] for line in message.splitlines()] == [
        "NATS_URL",
        "NEXTAUTH_URL",
        "NEXTAUTH_SECRET",
        "RATE_LIMIT_CONFIRM",
    ]


def test_dev_sign_in_is_refused_on_https() -> None:
    assert refused(ATLAS_DEV_SIGN_IN="true").startswith("ATLAS_DEV_SIGN_IN: must be off when NEXTAUTH_URL is https")
    assert load(GatewaySettings, GOOD | {"ATLAS_DEV_SIGN_IN": "true", "NEXTAUTH_URL": "http://localhost:8000"}).dev_sign_in


def test_database_sessions_need_the_atlas_database() -> None:
    assert refused(NEXTAUTH_SESSION_STRATEGY="database") == (
        "ATLAS_DATABASE_URL: is required when NEXTAUTH_SESSION_STRATEGY is database"
    )


def test_dev_sign_in_makes_encrypted_cookies_only() -> None:
    settings = load(
        GatewaySettings,
        GOOD
        | {
            "NEXTAUTH_URL": "http://localhost:8000",
            "NEXTAUTH_SESSION_STRATEGY": "database",
            "ATLAS_DATABASE_URL": "postgresql://reader@localhost/atlas",
            "ATLAS_DEV_SIGN_IN": "true",
        },
    )
    assert not settings.dev_sign_in


def test_zero_means_no_limit() -> None:
    assert load(GatewaySettings, GOOD | {"RATE_LIMIT_CHECKOUT": "0"}).rate_limit_checkout is None
    assert load(GatewaySettings, GOOD | {"RATE_LIMIT_CHECKOUT": "3/1"}).rate_limit_checkout == Limit(count=3, seconds=1)
