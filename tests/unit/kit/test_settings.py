from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from atlas_contracts.streams import STREAMS
from atlas_kit.process.servers import servers_of
from atlas_kit.process.settings import (
    ConfigurationError,
    HttpOrigin,
    HttpUrl,
    PostgresUrl,
    ServiceSettings,
    StripePriceId,
    StripeSecretKey,
    is_live_key,
    load,
    load_or_exit,
    secret_list,
)
from support.identity import ANY_KEY, TRUSTED


class Example(ServiceSettings):
    stripe_secret_key: StripeSecretKey
    stripe_price_pro_lifetime: StripePriceId
    nextauth_url: HttpOrigin
    checkout_url: HttpUrl = "http://127.0.0.1:8002"
    database_url: PostgresUrl


GOOD = {
    "INTERNAL_SIGNING_KEY": ANY_KEY,
    "INTERNAL_TRUSTED_KEYS": TRUSTED,
    "NATS_URL": "nats://user:pw@127.0.0.1:4222",
    "STRIPE_SECRET_KEY": "sk_test_abc",
    "STRIPE_PRICE_PRO_LIFETIME": "price_abc",
    "NEXTAUTH_URL": "https://atlas.example/",
    "DATABASE_URL": "postgresql://u:p@h/d",
}


def test_values_are_trimmed_and_empty_means_missing() -> None:
    settings = load(Example, GOOD | {"STRIPE_SECRET_KEY": "  sk_test_abc\n", "CHECKOUT_URL": "  "})
    assert settings.stripe_secret_key.get_secret_value() == "sk_test_abc"
    assert settings.checkout_url == "http://127.0.0.1:8002"


def test_an_origin_and_a_url_lose_their_last_slash() -> None:
    settings = load(Example, GOOD | {"CHECKOUT_URL": "http://checkout:8002/"})
    assert (settings.nextauth_url, settings.checkout_url) == ("https://atlas.example", "http://checkout:8002")


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("HTTPS://Atlas.Example", "https://atlas.example"),
        ("https://atlas.example:443/", "https://atlas.example"),
        ("http://atlas.example:80", "http://atlas.example"),
        ("http://atlas.example:443", "http://atlas.example:443"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_what_browsers_make_of_it(written: str, origin: str) -> None:
    assert load(Example, GOOD | {"NEXTAUTH_URL": written}).nextauth_url == origin


def test_a_driver_in_the_dsn_is_understood() -> None:
    settings = load(Example, GOOD | {"DATABASE_URL": "postgresql+psycopg://u:p@h/d"})
    assert settings.database_url.get_secret_value() == "postgresql://u:p@h/d"


def test_the_broker_may_have_several_nodes_and_the_database_several_hosts() -> None:
    hosts = "postgresql://u:p@h1:5432,h2:5433/d?target_session_attrs=read-write"
    settings = load(Example, GOOD | {"NATS_URL": "nats://u:p@n1:4222, tls://u:p@n2:4222 ,", "DATABASE_URL": hosts})
    assert servers_of(settings.nats_url.get_secret_value()) == ["nats://u:p@n1:4222", "tls://u:p@n2:4222"]
    assert settings.database_url.get_secret_value() == hosts


def test_secrets_are_not_shown() -> None:
    shown = repr(load(Example, GOOD))
    for secret in (json.loads(ANY_KEY)["d"], "sk_test_abc", "user:pw", "u:p@h"):
        assert secret not in shown


def test_every_missing_variable_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        load(Example, {})
    assert str(error.value).splitlines() == [f"{name}: is required" for name in (
        "INTERNAL_SIGNING_KEY", "INTERNAL_TRUSTED_KEYS", "NATS_URL", "STRIPE_SECRET_KEY", "STRIPE_PRICE_PRO_LIFETIME", "NEXTAUTH_URL", "DATABASE_URL",
    )]  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INTERNAL_SIGNING_KEY", "x" * 31),
        ("INTERNAL_TRUSTED_KEYS", "x" * 31),
        ("NATS_URL", "127.0.0.1:4222"),
        ("STRIPE_SECRET_KEY", "hunter2-hunter2"),
        ("STRIPE_PRICE_PRO_LIFETIME", "prod_abc"),
        ("NEXTAUTH_URL", "https://atlas.example/path"),
        ("NEXTAUTH_URL", "https://user:pw@atlas.example"),
        ("NEXTAUTH_URL", "javascript:alert(1)"),
        ("CHECKOUT_URL", "http://"),
        ("CHECKOUT_URL", "http://[::1"),
        ("CHECKOUT_URL", "http://host:0"),
        ("CHECKOUT_URL", "http://host:99999"),
        ("DATABASE_URL", "mysql://u:p@h/d"),
        ("DATABASE_URL", "postgresql://u:p@h1,h2/d"),
        ("DATABASE_URL", "postgresql://u:p@h1:1,h2:port/d?target_session_attrs=read-write"),
        ("DATABASE_URL", "postgresql://u:p@h1,,h2/d?target_session_attrs=read-write"),
        ("NATS_URL", "nats://n1:4222,n2:4222"),
        ("NATS_URL", ","),
        ("PORT", "-1"),
        ("PORT", "http"),
        ("NATS_STREAM_REPLICAS", "6"),
        ("LOG_LEVEL", "TRACE"),
    ],
)
def test_a_bad_value_is_refused_by_name_and_not_shown(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(Example, GOOD | {variable: value})
    assert str(error.value).startswith(f"{variable}: ")
    if len(value) > 7:
        assert value not in str(error.value)


def test_a_process_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        load_or_exit(Example, GOOD | {"STRIPE_SECRET_KEY": "hunter2"})
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("configuration: STRIPE_SECRET_KEY: ") and "hunter2" not in said


def test_the_environment_is_read_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError):
        load(Example, {})


@pytest.mark.parametrize(("key", "live"), [("sk_live_a", True), ("rk_live_a", True), ("sk_test_live_", False), ("rk_test_a", False)])
def test_the_key_tells_the_mode(key: str, live: bool) -> None:
    assert is_live_key(SecretStr(key)) is live


def test_a_list_of_secrets() -> None:
    assert [s.get_secret_value() for s in secret_list(SecretStr(" a ,b,, c"))] == ["a", "b", "c"]
    for bad in ("", " , ", "whsec_a,b"):
        with pytest.raises(ValueError, match="one or more values"):
            secret_list(SecretStr(bad), "whsec_")


RETENTIONS = ("BILLING_RETENTION_DAYS", "ENTITLEMENTS_RETENTION_DAYS", "PARKED_RETENTION_DAYS")


def test_each_stream_has_a_retention_of_its_own() -> None:
    settings = load(Example, GOOD | {"ENTITLEMENTS_RETENTION_DAYS": " 4 "})
    assert [stream.retention_days for stream in settings.kept(*STREAMS)] == [400, 4, 400]
    assert [stream.retention_days for stream in load(Example, GOOD).kept(*STREAMS)] == [400, 90, 400]


@pytest.mark.parametrize("name", RETENTIONS)
@pytest.mark.parametrize("value", ["3", "0", "-1", "36501", "soon", "4.5", "1e3", "9" * 5000])
def test_a_retention_shorter_than_the_dedupe_window_or_no_number_is_refused_by_name_in_one_line(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(Example, GOOD | {name: value})
    assert str(refused.value).startswith(f"{name}: ") and "\n" not in str(refused.value)
    assert value not in str(refused.value) or len(value) < 3
