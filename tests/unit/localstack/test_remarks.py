"""What `./atlas up` says of variables that do nothing there, look misspelt or have a weak value."""

from __future__ import annotations

from pathlib import Path

import pytest

from account_gateway.settings import GatewaySettings
from atlas_kit.process.settings import ConfigurationError, load
from atlas_localstack.stack.configuration import MACHINE_PREFIXES
from atlas_localstack.stack.remarks import KNOWN, remarks
from atlas_operator.errors import NotUnderstood
from atlas_operator.local import environment
from checkout.settings import CheckoutSettings
from entitlements.settings import EntitlementsSettings
from webhook_ingest.settings import IngestSettings

ALL = (GatewaySettings, IngestSettings, CheckoutSettings, EntitlementsSettings)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BILLING_CURENCY", "eur", "ignored: BILLING_CURENCY; did you mean BILLING_CURRENCY?"),
        ("NEXT_AUTH_SECRET", "x" * 32, "ignored: NEXT_AUTH_SECRET; did you mean NEXTAUTH_SECRET?"),
        ("STRIPE_SECRETKEY", "sk_test_1", "ignored: STRIPE_SECRETKEY; did you mean STRIPE_SECRET_KEY?"),
        ("BILLING_MOOD", "good", "ignored: BILLING_MOOD; nothing reads it."),
        ("DATABASE_URL", "postgresql://u:canary@h/d", "ignored: DATABASE_URL; ./atlas up sets it itself."),
        ("PORT", "9000", "ignored: PORT; ./atlas up sets it itself."),
        ("HTTP_MAX_CONNECTIONS", "99", "ignored: HTTP_MAX_CONNECTIONS; the local stack runs with its default."),
        ("NEXTAUTH_SECRET", "x", "NEXTAUTH_SECRET has a value of 1 character, which can be guessed"),
        ("NEXTAUTH_SECRET", f"{'x' * 40},short", "NEXTAUTH_SECRET has a value of 5 characters"),
    ],
)
def test_it_is_said_and_the_value_is_not_shown(name: str, value: str, said: str) -> None:
    [remark] = remarks({name: value})
    assert remark.startswith(said)
    assert "canary" not in remark


def test_two_replicas_are_odd() -> None:
    assert any("loses the stream" in remark for remark in remarks({"NATS_STREAM_REPLICAS": "2"}))


def test_of_what_is_right_or_none_of_ours_nothing_is_said() -> None:
    assert remarks(dict.fromkeys(("PATH", "HOME", "HOST", "EDITOR", "AWS_REGION", "BILLING_CURRENCY", "NEXTAUTH_SECRET", "ATLAS_HOME", "ATLAS_FAILPOINTS", "PYTHONPATH"), "x" * 40)) == []


def test_every_variable_that_a_service_reads_is_known() -> None:
    read = {name.upper() for settings in ALL for name in settings.model_fields} - {"HOST"}
    assert {name for name in read if not name.startswith(MACHINE_PREFIXES)} <= KNOWN


@pytest.mark.parametrize(
    ("settings", "name", "value", "said"),
    [
        (EntitlementsSettings, "PORT", "65536", "PORT: must be a whole number from 0 to 65535"),
        (EntitlementsSettings, "DATABASE_POOL_SIZE", "many", "DATABASE_POOL_SIZE: must be a whole number from 2 to 100"),
        (EntitlementsSettings, "HTTP_MAX_CONNECTIONS", "1", "HTTP_MAX_CONNECTIONS: must be a whole number from 16 to 100000"),
        (EntitlementsSettings, "BILLING_SUSPEND_ON_DISPUTE", "perhaps", "BILLING_SUSPEND_ON_DISPUTE: must be true or false"),
        (CheckoutSettings, "BACKFILL_REQUESTS_PER_SECOND", "81", "BACKFILL_REQUESTS_PER_SECOND: must be a number from 0.1 to 80"),
        (GatewaySettings, "NEXTAUTH_SESSION_STRATEGY", "magic", "NEXTAUTH_SESSION_STRATEGY: must be jwt or database"),
        (IngestSettings, "BILLING_PULL_INTERVAL_SECONDS", "-1", "BILLING_PULL_INTERVAL_SECONDS: must be a whole number from 0 to 86400"),
    ],
)
def test_what_is_wrong_with_a_value_is_said_in_words_with_the_range(settings: type, name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(settings, {name: value})
    assert said in str(refused.value).splitlines()


@pytest.mark.parametrize("line", ['SECRET="canary', "this is no line", "JUST_A_NAME", "=canary"])
def test_a_line_of_dotenv_that_can_not_be_read_is_named_and_not_shown(tmp_path: Path, line: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# a remark\nLOG_LEVEL=DEBUG\n\n{line}\n")
    with pytest.raises(NotUnderstood) as refused:
        environment({}, file)
    assert ".env: line 4 can't be read" in str(refused.value)
    assert "canary" not in str(refused.value)
