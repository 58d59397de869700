"""Settings: read once from the environment and validated at start; values are never shown.

A service with a wrong or missing value doesn't start, and names every such variable, but never its value.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from atlas_contracts.callers import ISSUERS
from atlas_contracts.streams import BILLING, ENTITLEMENTS, MAX_RETENTION_DAYS, MIN_RETENTION_DAYS, PARKED, StreamSpec
from atlas_kit.process.in_words import explained
from atlas_kit.process.keys import NAME, read_signing_key, read_trusted_keys
from atlas_kit.process.servers import servers_of

EXIT_CONFIGURATION = 2
"""Exit code of a service that refuses to start."""


def _trimmed(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _secret(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda value: SecretStr(check(value.get_secret_value().strip())))


def _matching(pattern: str, message: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(message)
        return value

    return check


def _url(schemes: tuple[str, ...]) -> Callable[[str], str]:
    def check(value: str) -> str:
        try:
            parts = urlsplit(value)
            valid = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(f"must be a URL that starts with {' or '.join(s + '://' for s in schemes)}")
        return value

    return check


def _nats(value: str) -> str:
    servers = servers_of(value)
    if not servers:
        raise ValueError("must be one or more URLs that start with nats:// or tls://, comma-separated")
    return ",".join(_url(("nats", "tls"))(server) for server in servers)


def _origin(value: str) -> str:
    parts = urlsplit(_url(("http", "https"))(value))
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an origin such as https://atlas.example, without a path")
    return normal_origin(value)


def normal_origin(url: str) -> str:
    """The origin of an http(s) URL as browsers write it: host in lower case and ASCII, no default port.

    Raises ValueError if ``url`` is not an http(s) URL.
    """
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    if default is None or not parts.hostname:
        raise ValueError("must be a URL that starts with http:// or https://")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode()
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")


def _postgres(value: str) -> str:
    """A database's URL; it may name several hosts (``host:port,host:port``), of which one is the primary."""
    url = value.replace("postgresql+psycopg://", "postgresql://", 1)
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    for host in hosts.split(","):
        _url(("postgresql", "postgres"))(urlunsplit(parts._replace(netloc=f"{account}{at}{host}")))
    if "," in hosts and "target_session_attrs" not in dict(parse_qsl(parts.query)):
        raise ValueError("names several hosts, so it needs target_session_attrs=read-write: a standby takes no writes")
    return url


def _signing_key(value: str) -> str:
    read_signing_key(value)
    return value


def _trusted_keys(value: str) -> str:
    read_trusted_keys(value)
    return value


def _reader_names(value: Any) -> Any:
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    wrong = [name for name in names if name and not NAME.fullmatch(name)]
    if wrong:
        raise ValueError("must be names of services, comma-separated, as the kid of their keys says them")
    if ours := sorted(ISSUERS & set(names)):
        raise ValueError(f"{', '.join(ours)}: a service of ours isn't admitted as a reader, what it may stands fixed")
    return tuple(name for name in names if name)


StripeSecretKey = Annotated[
    SecretStr,
    _secret(_matching(r"(sk|rk)_(test|live)_\S+", "must start with sk_test_, sk_live_, rk_test_ or rk_live_")),
]
SigningKey = Annotated[SecretStr, _secret(_signing_key)]
TrustedKeySet = Annotated[str, AfterValidator(_trusted_keys)]
ReaderNames = Annotated[tuple[str, ...], BeforeValidator(_reader_names)]
PostgresUrl = Annotated[SecretStr, _secret(_postgres)]
NatsUrl = Annotated[SecretStr, _secret(_nats)]
HttpUrl = Annotated[str, AfterValidator(_url(("http", "https"))), AfterValidator(lambda value: value.rstrip("/"))]
HttpOrigin = Annotated[str, AfterValidator(_origin)]
StripePriceId = Annotated[str, AfterValidator(_matching(r"price_\w+", "must start with price_"))]


def is_live_key(key: SecretStr) -> bool:
    """Whether a Stripe key moves real money."""
    return "_live_" in key.get_secret_value()[:8]


def _check_secrets(value: str, prefix: str) -> tuple[SecretStr, ...]:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts or any(not part.startswith(prefix) or len(part) == len(prefix) for part in parts):
        raise ValueError(f"must be one or more values{f' that start with {prefix}' if prefix else ''}, comma-separated")
    return tuple(SecretStr(part) for part in parts)


def secret_list(value: SecretStr, prefix: str = "") -> tuple[SecretStr, ...]:
    """The secrets in a comma-separated list, newest first (for rotation).

    Raises ValueError if there is none, or one doesn't begin with ``prefix``. The message doesn't contain the value.
    """
    return _check_secrets(value.get_secret_value(), prefix)


def _retention(days: int) -> int:
    if not MIN_RETENTION_DAYS <= days <= MAX_RETENTION_DAYS:
        raise ValueError(
            f"must be {MIN_RETENTION_DAYS} to {MAX_RETENTION_DAYS} days, and so no shorter than the"
            f" {MIN_RETENTION_DAYS} days for which the broker compares message ids"
        )
    return days


RetentionDays = Annotated[int, AfterValidator(_retention)]


class GivenSettings(BaseSettings):
    """Settings that are read from what :func:`load` is given and from nowhere else."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, case_sensitive=False, extra="ignore", hide_input_in_errors=True, frozen=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the values that :func:`load` passes: the environment is read once, and tests need not change it."""
        return (init_settings,)


class RetentionSettings(GivenSettings):
    """How many days each stream keeps a message."""

    billing_retention_days: RetentionDays = BILLING.retention_days
    entitlements_retention_days: RetentionDays = ENTITLEMENTS.retention_days
    parked_retention_days: RetentionDays = PARKED.retention_days

    def kept(self, *streams: StreamSpec) -> tuple[StreamSpec, ...]:
        """The streams with the retention that is configured for each; a bucket keeps its entries for ever."""
        return tuple(
            stream if stream.is_bucket else stream.keeping(getattr(self, f"{stream.name.lower()}_retention_days"))
            for stream in streams
        )


class TracingSettings(GivenSettings):
    """OpenTelemetry's own variables for spans. The SDK reads further ones by itself (docs/observability.md)."""

    otel_exporter_otlp_endpoint: HttpUrl | None = Field(default=None, description="turns spans on")
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = "http/protobuf"
    otel_traces_sampler: Literal[
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ] = "parentbased_always_on"
    otel_traces_sampler_arg: float = Field(default=1.0, ge=0, le=1, description="the part of traces that is recorded")
    otel_service_name: str | None = None
    otel_sdk_disabled: bool = Field(default=False, description="no spans, whatever else is set")

    @property
    def tracing(self) -> bool:
        """Whether spans are recorded."""
        return self.otel_exporter_otlp_endpoint is not None and not self.otel_sdk_disabled


class ServiceSettings(RetentionSettings, TracingSettings):
    """The settings that every service has. A subclass's field ``stripe_secret_key`` reads ``STRIPE_SECRET_KEY``."""

    service: ClassVar[str] = ""
    """The name under which the service signs. A key that names another one is refused."""

    host: Annotated[str, BeforeValidator(_trimmed)] = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    http_max_connections: int = Field(default=4096, ge=16, le=100_000, description="open at a time, per process")
    log_level: Annotated[
        str, AfterValidator(_matching("DEBUG|INFO|WARNING|ERROR", "must be DEBUG, INFO, WARNING or ERROR"))
    ] = "INFO"
    internal_signing_key: SigningKey
    internal_trusted_keys: TrustedKeySet
    internal_auth_secret: SecretStr | None = Field(default=None, description="no longer read, only told of")
    nats_url: NatsUrl
    nats_inbox_prefix: str = "_INBOX"
    nats_stream_replicas: int = Field(default=1, ge=1, le=5)

    @field_validator("internal_signing_key")
    @classmethod
    def _a_key_of_our_own(cls, value: SecretStr) -> SecretStr:
        named = read_signing_key(value.get_secret_value()).kid
        if cls.service and named and named != cls.service:
            raise ValueError(f"is the key of {named!r}; this is {cls.service}, which needs its own")
        return value

    def obsolete(self) -> dict[str, str]:
        """Variables that are set and no longer read, and what replaces each."""
        if self.internal_auth_secret is None:
            return {}
        return {"INTERNAL_AUTH_SECRET": "INTERNAL_SIGNING_KEY and INTERNAL_TRUSTED_KEYS (./atlas keys makes both)"}


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class ConfigurationError(Exception):
    """Settings are wrong or missing. The message has one line per variable: ``VARIABLE: what is wrong``."""


def load(settings: type[SettingsT], environ: dict[str, str]) -> SettingsT:
    """The settings in ``environ``. Values are trimmed; an empty one counts as missing. Raises ConfigurationError."""
    values = {name.lower(): value.strip() for name, value in environ.items() if value.strip()}
    known: dict[str, Any] = {name: values[name] for name in settings.model_fields if name in values}
    try:
        return settings(**known)
    except ValidationError as error:
        raise ConfigurationError("\n".join(explained(settings, error))) from None


def load_or_exit(settings: type[SettingsT], environ: dict[str, str]) -> SettingsT:
    """Like :func:`load`, but writes errors to stderr and exits with EXIT_CONFIGURATION; for the start of a process."""
    try:
        return load(settings, environ)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            print(f"configuration: {line}", file=sys.stderr)
        sys.exit(EXIT_CONFIGURATION)
