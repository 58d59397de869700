"""What webhook-ingest reads from its environment."""

from __future__ import annotations

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_kit.process.settings import HttpUrl, ServiceSettings, StripeSecretKey, is_live_key, secret_list

DEFAULT_PORT = 8001
MAX_TOLERANCE_SECONDS = 86_400


class IngestSettings(ServiceSettings):
    """Each field is read from the environment variable of the same name in upper case (CONTRACT 6)."""

    service = INGEST_SERVICE
    stripe_secret_key: StripeSecretKey
    stripe_api_base: HttpUrl | None = Field(default=None, description="another Stripe, the sandbox say; test keys only")
    stripe_webhook_secret: SecretStr = Field(description="one or more whsec_ values, comma-separated, newest first")
    stripe_account_id: str | None = Field(
        default=None, pattern=r"^acct_[A-Za-z0-9]+$", description="our account's id, where the key may not read it"
    )
    billing_webhook_tolerance_seconds: int = Field(default=300, ge=1, le=MAX_TOLERANCE_SECONDS)
    checkout_url: HttpUrl = "http://127.0.0.1:8002"
    entitlements_url: HttpUrl = "http://127.0.0.1:8003"
    billing_pull_interval_seconds: int = Field(default=300, ge=0, le=86_400, description="0: no scheduled pull")

    @field_validator("stripe_api_base")
    @classmethod
    def _real_money_goes_to_stripe_alone(cls, value: str | None, info: ValidationInfo) -> str | None:
        key = info.data.get("stripe_secret_key")
        if value is not None and key is not None and is_live_key(key):
            raise ValueError("must not be set together with a live STRIPE_SECRET_KEY")
        return value

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _webhook_secrets(cls, value: SecretStr) -> SecretStr:
        secret_list(value, "whsec_")
        return value

    @property
    def webhook_secrets(self) -> tuple[bytes, ...]:
        """The signing keys, newest first."""
        return tuple(secret.get_secret_value().encode() for secret in secret_list(self.stripe_webhook_secret, "whsec_"))

    @property
    def livemode(self) -> bool:
        """Whether this installation works with real money, as the Stripe key's prefix says."""
        return is_live_key(self.stripe_secret_key)
