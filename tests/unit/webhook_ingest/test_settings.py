"""What the door refuses to start with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from atlas_kit.process.settings import ConfigurationError, load
from support.ingest import environment
from webhook_ingest.settings import IngestSettings

GOOD = environment("nats://ingest:pw@127.0.0.1:4222")


def test_everything_it_needs_is_enough() -> None:
    settings = load(IngestSettings, GOOD)
    assert settings.billing_webhook_tolerance_seconds == 300
    assert settings.webhook_secrets == (b"whsec_test_secret",)
    assert settings.livemode is False


def test_several_secrets_are_kept_in_order() -> None:
    settings = load(IngestSettings, GOOD | {"STRIPE_WEBHOOK_SECRET": " whsec_b , whsec_a,"})
    assert settings.webhook_secrets == (b"whsec_b", b"whsec_a")


@pytest.mark.parametrize("key", ["sk_live_x", "rk_live_x"])
def test_a_live_key_makes_live_mode(key: str) -> None:
    without_base = {k: v for k, v in GOOD.items() if k != "STRIPE_API_BASE"}
    assert load(IngestSettings, without_base | {"STRIPE_SECRET_KEY": key}).livemode is True


BAD = [
    ("STRIPE_SECRET_KEY", ""),
    ("STRIPE_SECRET_KEY", "pk_test_x"),
    ("STRIPE_SECRET_KEY", "sk_test_"),
    ("STRIPE_WEBHOOK_SECRET", ""),
    ("STRIPE_WEBHOOK_SECRET", "secret"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_a,b"),
    ("STRIPE_WEBHOOK_SECRET", ","),
    ("STRIPE_API_BASE", "stripe"),
    ("STRIPE_API_BASE", "ftp://stripe"),
    ("BILLING_WEBHOOK_TOLERANCE_SECONDS", "0"),
    ("BILLING_WEBHOOK_TOLERANCE_SECONDS", "-5"),
    ("BILLING_WEBHOOK_TOLERANCE_SECONDS", "five"),
    ("BILLING_WEBHOOK_TOLERANCE_SECONDS", "100000"),
    ("BILLING_PULL_INTERVAL_SECONDS", "-1"),
    ("INTERNAL_SIGNING_KEY", "short"),
    ("INTERNAL_SIGNING_KEY", ""),
    ("INTERNAL_TRUSTED_KEYS", "short"),
    ("INTERNAL_TRUSTED_KEYS", ""),
    ("NATS_URL", ""),
    ("NATS_URL", "http://broker"),
    ("NATS_STREAM_REPLICAS", "0"),
    ("PORT", "70000"),
    ("LOG_LEVEL", "LOUD"),
]


@pytest.mark.parametrize(("variable", "value"), BAD)
def test_a_bad_value_is_named_and_never_shown(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(IngestSettings, GOOD | {variable: value})
    lines = str(error.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [variable]
    if value not in {"", "sk_test_", "whsec_"} and len(value) > 4:
        assert value not in str(error.value)


def test_another_stripe_beside_a_live_key_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        load(IngestSettings, GOOD | {"STRIPE_SECRET_KEY": "sk_live_x"})
    assert str(error.value) == "STRIPE_API_BASE: must not be set together with a live STRIPE_SECRET_KEY"


def test_the_process_exits_with_2_and_names_every_variable() -> None:
    command = [sys.executable, "-m", "webhook_ingest", "--port", "1"]
    done = subprocess.run(command, env={"PATH": GOOD["PATH"], "STRIPE_SECRET_KEY": "sk_secret"}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    named = {line.split(": ")[1] for line in done.stderr.splitlines()}
    assert named == {"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "INTERNAL_SIGNING_KEY", "INTERNAL_TRUSTED_KEYS", "NATS_URL"}
    assert all(line.startswith("configuration: ") for line in done.stderr.splitlines())
    assert "sk_secret" not in done.stderr + done.stdout
