"""docs/configuration.md says of every setting what the settings say: made again by ATLAS_WRITE=1."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from account_gateway.settings import GatewaySettings
from atlas_kit.process.in_words import bounds
from atlas_kit.process.settings import RetentionSettings
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES
from checkout.settings import CheckoutSettings
from entitlements.settings import EntitlementsSettings
from webhook_ingest.settings import IngestSettings

GUIDE = Path(__file__).parents[2] / "docs" / "configuration.md"
READERS: dict[str, type[Any]] = {
    "gateway": GatewaySettings, "ingest": IngestSettings, "checkout": CheckoutSettings, "entitlements": EntitlementsSettings,
}  # fmt: skip
EXAMPLES = {
    "atlas_database_url": "postgresql://reader:…@db.example/app", "atlas_dev_sign_in": "true", "atlas_sign_in_url": "/login?next=", "atlas_sign_out_url": "/logout",
    "backfill_requests_per_second": "20", "billing_currency": "usd,eur", "billing_grant_free_checkouts": "true",
    "billing_pull_interval_seconds": "300", "billing_require_known_session": "true", "billing_suspend_on_dispute": "true",
    "billing_webhook_tolerance_seconds": "300", "checkout_url": "http://checkout:8002", "database_migration_url": "postgresql://owner:…@db.example/checkout",
    "database_pool_size": "20", "database_url": "postgresql://checkout:…@db.example/checkout", "entitlements_url": "http://entitlements:8003",
    "host": "0.0.0.0", "http_max_connections": "4096", "internal_auth_secret": "–", "internal_readers": "coach,reports",
    "internal_signing_key": '{"kty":"OKP",…}', "internal_trusted_keys": '{"keys":[…]}', "log_level": "INFO",
    "nats_inbox_prefix": "_INBOX_checkout", "nats_stream_replicas": "3", "nats_url": "nats://checkout:…@nats.example:4222",
    "nextauth_secret": "new…,old…", "nextauth_session_strategy": "database", "nextauth_url": "https://atlas.example", "port": "8002",
    "stripe_account_id": "acct_1ABC", "stripe_allow_promotion_codes": "true", "stripe_api_base": "http://127.0.0.1:8004",
    "stripe_automatic_tax": "true", "stripe_billing_portal_configuration_id": "bpc_1ABC", "stripe_price_pro_lifetime": "price_1ABC",
    "stripe_secret_key": "rk_live_…", "stripe_tax_id_collection": "true", "stripe_webhook_secret": "whsec_…",
    "webhook_ingest_url": "http://webhook-ingest:8001", "entitlements_retention_days": "90", "billing_retention_days": "400",
    "parked_retention_days": "400", "rate_limit_checkout": "10/60", "rate_limit_portal": "10/60", "rate_limit_restore": "5/60",
    "rate_limit_confirm": "20/60", "otel_exporter_otlp_endpoint": "http://collector:4318", "otel_exporter_otlp_protocol": "http/protobuf",
    "otel_traces_sampler": "parentbased_traceidratio", "otel_traces_sampler_arg": "0.05", "otel_service_name": "atlas-checkout",
    "otel_sdk_disabled": "true",
}  # fmt: skip
WORDS = {
    "signing_key": "private Ed25519 key, JWK or PEM", "trusted_keys": "JWK set", "readers": "names, comma-separated", "url": "URL", "endpoint": "URL",
    "secret": "one or more, comma-separated", "secret_key": "sk_… or rk_…", "id": "id", "currency": "codes, comma-separated",
}  # fmt: skip
PART = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- end of settings -->)", re.DOTALL)
EVENTS = re.compile(r"(?<=<!-- events -->\n).*?(?=<!-- end of events -->)", re.DOTALL)


def test_every_setting_stands_in_the_guide_with_type_range_default_readers_and_an_example() -> None:
    said = GUIDE.read_text()
    wanted = PART.sub(lambda _: "".join(_table()), said)
    wanted = EVENTS.sub(lambda _: "```\n" + "".join(f"{name}\n" for name in sorted(SUPPORTED_EVENT_TYPES)) + "```\n", wanted)
    if os.environ.get("ATLAS_WRITE"):
        GUIDE.write_text(wanted)
    assert PART.search(said) and EVENTS.search(said)
    assert GUIDE.read_text() == wanted, "make it again: ATLAS_WRITE=1 pytest tests/unit/test_configuration_guide.py"


def test_every_setting_is_explained_in_the_guides_first_table() -> None:
    explained = GUIDE.read_text().partition("## Every value exactly")[0]
    for name in _names():
        shown = name.upper() if not name.startswith("rate_limit_") else "_" + name.rpartition("_")[2].upper()
        assert f"`{shown}`" in explained or f"`{name.upper()}`" in explained, name


def _names() -> list[str]:
    return sorted({name for settings in READERS.values() for name in settings.model_fields})


def _table() -> Iterator[str]:
    yield "| variable | type and range | default | read by | example |\n|---|---|---|---|---|\n"
    for name in _names():
        readers = [who for who, settings in READERS.items() if name in settings.model_fields]
        kinds = list(dict.fromkeys(_kind(READERS[who], name) for who in readers))
        defaults = list(dict.fromkeys(_default(READERS[who], name) for who in readers))
        by = "all services" if len(readers) == len(READERS) else ", ".join(readers)
        if name in RetentionSettings.model_fields:
            by += ", doctor"
        yield f"| `{name.upper()}` | {' or '.join(kinds)} | {' or '.join(defaults)} | {by} | `{EXAMPLES[name]}` |\n"


def _kind(settings: type[Any], name: str) -> str:
    field = settings.model_fields[name]
    annotation = str(field.annotation)
    least, most = bounds(settings, name)
    if name.endswith("_retention_days"):
        return "whole number, 4 to 36500"
    if "bool" in annotation:
        return "`true` or `false`"
    if "Literal" in annotation:
        return " or ".join(f"`{value}`" for value in get_args(field.annotation))
    if "Limit" in annotation:
        return "count/seconds, or `0`"
    if "int" in annotation.replace("inter", "") or "float" in annotation:
        return f"{'number' if 'float' in annotation else 'whole number'}, {least} to {most}"
    return next((words for end, words in WORDS.items() if name.endswith(f"_{end}")), "text")


def _default(settings: type[Any], name: str) -> str:
    field = settings.model_fields[name]
    if field.is_required():
        return "required"
    value = field.default
    if name.startswith("rate_limit_"):
        return f"`{value.count}/{value.seconds}`"
    if name == "port":
        return "the service's"
    if value in (None, ()):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
