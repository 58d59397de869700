"""What was made for development refuses to exist in production, and nothing can be switched off by a variable."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import stripe_sandbox.__main__ as sandbox
from account_gateway.settings import GatewaySettings
from atlas_kit.process.settings import ConfigurationError, load
from checkout.settings import CheckoutSettings
from entitlements.settings import EntitlementsSettings
from stripe_sandbox.settings import ConfigurationError as SandboxRefusal
from stripe_sandbox.settings import load as load_sandbox
from support.identity import ANY_KEY, TRUSTED
from webhook_ingest.settings import IngestSettings

WORKSPACE = Path(__file__).resolve().parents[2]
SERVICES = (GatewaySettings, CheckoutSettings, EntitlementsSettings, IngestSettings)
PRODUCTION = [
    path
    for folder in ("services", "shared/kit", "shared/contracts")
    for path in (WORKSPACE / folder).rglob("*.py")
    if "src" in path.parts
]
SWITCHES = re.compile(
    r"failpoint|test_mode|testing|insecure|skip_|disable_|no_verify|unsafe|bypass|debug|mock|fake", re.IGNORECASE
)
COMMON = {"INTERNAL_SIGNING_KEY": ANY_KEY, "INTERNAL_TRUSTED_KEYS": TRUSTED, "NATS_URL": "nats://user:password@127.0.0.1:4222"}
GATEWAY = {**COMMON, "NEXTAUTH_SECRET": "s" * 32, "NEXTAUTH_URL": "https://atlas.example"}
INGEST = {**COMMON, "STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}
CHECKOUT = {
    **COMMON,
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_PRICE_PRO_LIFETIME": "price_1",
    "NEXTAUTH_URL": "https://atlas.example",
    "DATABASE_URL": "postgresql://checkout@127.0.0.1/checkout",
}


@pytest.mark.parametrize("spelling", ["true", "True", "1", "yes", "on"])
@pytest.mark.parametrize("origin", ["https://atlas.example", "HTTPS://atlas.example", "https://127.0.0.1:8443"])
def test_dev_sign_in_is_refused_on_https_however_it_is_spelled(spelling: str, origin: str) -> None:
    with pytest.raises(ConfigurationError, match="ATLAS_DEV_SIGN_IN"):
        load(GatewaySettings, {**GATEWAY, "NEXTAUTH_URL": origin, "ATLAS_DEV_SIGN_IN": spelling})


def test_dev_sign_in_is_off_unless_asked_for() -> None:
    assert not load(GatewaySettings, {**GATEWAY, "NEXTAUTH_URL": "http://127.0.0.1:8000"}).dev_sign_in


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1"])
@pytest.mark.parametrize("base", ["http://127.0.0.1:8004", "https://api.stripe.com"])
@pytest.mark.parametrize(
    ("settings", "good"), [(IngestSettings, INGEST), (CheckoutSettings, CHECKOUT)], ids=["ingest", "checkout"]
)
def test_a_live_key_goes_to_nobody_but_stripe(settings: type, good: dict[str, str], base: str, key: str) -> None:
    load(settings, {**good, "STRIPE_API_BASE": base})
    with pytest.raises(ConfigurationError, match="STRIPE_API_BASE") as refused:
        load(settings, {**good, "STRIPE_API_BASE": base, "STRIPE_SECRET_KEY": key})
    assert key not in str(refused.value)


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1", "", "whatever"])
def test_the_sandbox_takes_no_live_key(key: str) -> None:
    with pytest.raises(SandboxRefusal, match="SANDBOX_SECRET_KEY") as refused:
        load_sandbox({"SANDBOX_SECRET_KEY": key, "SANDBOX_PRICE_ID": "price_1"}, "127.0.0.1", 8004)
    assert not key or key not in str(refused.value)


def test_the_sandbox_listens_on_loopback_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    listened = []
    monkeypatch.setattr(sandbox.uvicorn, "run", lambda _app, **options: listened.append(options["host"]))
    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.setenv("SANDBOX_SECRET_KEY", "sk_test_sandbox1")
    monkeypatch.setenv("SANDBOX_PRICE_ID", "price_1")
    assert sandbox.main([]) == 0
    assert sandbox.main(["--host", "0.0.0.0"]) == 0
    assert listened == ["127.0.0.1", "0.0.0.0"]


@pytest.mark.parametrize("settings", SERVICES, ids=lambda settings: settings.__module__)
def test_services_listen_on_loopback_unless_told_otherwise(settings: type) -> None:
    assert settings.model_fields["host"].default == "127.0.0.1"


@pytest.mark.parametrize("settings", SERVICES, ids=lambda settings: settings.__module__)
def test_no_secret_has_a_default_and_no_variable_switches_a_protection_off(settings: type) -> None:
    fields = settings.model_fields
    for name, field in fields.items():
        assert not SWITCHES.search(name), name
        if "SecretStr" in repr(field.annotation):
            assert field.is_required() or field.default is None, name


def test_production_code_reads_the_environment_in_one_place_per_service() -> None:
    readers = {
        str(path.relative_to(WORKSPACE))
        for path in PRODUCTION
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and any("env" in name.name for name in node.names))
    }
    strays = [reader for reader in readers if not reader.endswith(("/__main__.py", "/env.py"))]
    assert strays == []


def test_production_code_knows_no_test_switch() -> None:
    known = {"ATLAS_DATABASE_URL", "ATLAS_DEV_SIGN_IN", "ATLAS_SIGN_IN_URL", "ATLAS_SIGN_OUT_URL"}
    named = {name for path in PRODUCTION for name in re.findall(r"\bATLAS_[A-Z_]+\b", path.read_text())}
    assert named <= known
    assert not [path for path in PRODUCTION if re.search(r"failpoint", path.read_text(), re.IGNORECASE)]
