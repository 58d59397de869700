"""What account-gateway reads from its environment, and the bounds each value has to keep."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from account_gateway.entrypoints.api.rate_limits import Limit
from account_gateway.entrypoints.api.return_paths import checked_sign_in, checked_sign_out
from atlas_contracts.internal_api import GATEWAY_SERVICE
from atlas_kit.process.settings import HttpOrigin, HttpUrl, PostgresUrl, ServiceSettings, secret_list
from atlas_kit.storage.atlas_database import AtlasDatabase, read_atlas_url

MAX_SECRETS = 10
"""A request with an unknown token may cost a try with every key; a rotation needs two or three."""
_LIMIT = re.compile(r"(\d{1,6})/(\d{1,6})")


def _parse_limit(value: object) -> object:
    if isinstance(value, Limit) or value is None or value == "0":
        return None if value == "0" else value
    match = _LIMIT.fullmatch(str(value))
    if not match or not int(match[1]) or not int(match[2]):
        raise ValueError("must be count/seconds such as 10/60, or 0 for no limit")
    return Limit(count=int(match[1]), seconds=int(match[2]))


def _check_secrets(value: SecretStr) -> SecretStr:
    if len(secret_list(value)) > MAX_SECRETS:
        raise ValueError(f"must be at most {MAX_SECRETS} values")
    return value


SignInUrl = Annotated[str, AfterValidator(checked_sign_in)]
SignOutUrl = Annotated[str, AfterValidator(checked_sign_out)]
RateLimit = Annotated[Limit | None, BeforeValidator(_parse_limit)]


class GatewaySettings(ServiceSettings):
    """Environment of account-gateway; see docs/configuration.md."""

    service = GATEWAY_SERVICE
    nextauth_url: HttpOrigin
    nextauth_secret: Annotated[SecretStr, AfterValidator(_check_secrets)]
    nextauth_session_strategy: Literal["jwt", "database"] = "jwt"
    atlas_database_url: PostgresUrl | None = Field(default=None, validate_default=True)
    atlas_sign_in_url: SignInUrl = "/api/auth/signin?callbackUrl="
    atlas_sign_out_url: SignOutUrl | None = None
    atlas_dev_sign_in: bool = False
    checkout_url: HttpUrl = "http://127.0.0.1:8002"
    entitlements_url: HttpUrl = "http://127.0.0.1:8003"
    rate_limit_checkout: RateLimit = Limit(count=10, seconds=60)
    rate_limit_portal: RateLimit = Limit(count=10, seconds=60)
    rate_limit_restore: RateLimit = Limit(count=5, seconds=60)
    rate_limit_confirm: RateLimit = Limit(count=20, seconds=60)

    @field_validator("atlas_database_url")
    @classmethod
    def _needed_for_database_sessions(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None and info.data.get("nextauth_session_strategy") == "database":
            raise ValueError("is required when NEXTAUTH_SESSION_STRATEGY is database")
        if value is not None:
            read_atlas_url(value.get_secret_value())
        return value

    @field_validator("atlas_dev_sign_in")
    @classmethod
    def _local_only(cls, value: bool, info: ValidationInfo) -> bool:
        if value and str(info.data.get("nextauth_url", "")).startswith("https://"):
            raise ValueError("must be off when NEXTAUTH_URL is https: it signs anybody in as anybody")
        return value

    @property
    def secure(self) -> bool:
        """Whether browsers reach the gateway by https."""
        return self.nextauth_url.startswith("https://")

    @property
    def atlas_database(self) -> AtlasDatabase:
        """The web app's database, for the ``database`` strategy."""
        assert self.atlas_database_url is not None, "validated above"
        return read_atlas_url(self.atlas_database_url.get_secret_value())

    @property
    def secrets(self) -> tuple[str, ...]:
        """The session secrets, newest first."""
        return tuple(secret.get_secret_value() for secret in secret_list(self.nextauth_secret))

    @property
    def dev_sign_in(self) -> bool:
        """Whether /dev/sign-in exists. It makes encrypted cookies, which mean nothing to database sessions."""
        return self.atlas_dev_sign_in and self.nextauth_session_strategy == "jwt"
