"""What the checkout service is configured with."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from atlas_kit.settings import (
    HttpOrigin,
    HttpUrl,
    PostgresUrl,
    ServiceSettings,
    StripePriceId,
    StripeSecretKey,
    is_live_key,
)

DEFAULT_PORT = 8002


def _portal_configuration(value: str) -> str:
    if not value.startswith("bpc_"):
        raise ValueError("must start with bpc_")
    return value


class Settings(ServiceSettings):
    """Environment variables, in upper case; see CONTRACT 6."""

    database_url: PostgresUrl
    database_migration_url: PostgresUrl | None = None
    database_pool_size: int = Field(default=10, ge=2, le=200)
    stripe_secret_key: StripeSecretKey
    stripe_api_base: HttpUrl | None = None
    stripe_price_pro_lifetime: StripePriceId
    stripe_billing_portal_configuration_id: Annotated[str, AfterValidator(_portal_configuration)] | None = None
    nextauth_url: HttpOrigin
    entitlements_url: HttpUrl = "http://127.0.0.1:8003"
    billing_grant_free_checkouts: bool = False
    """As at the entitlements service; here only the operator's view of the provider's state needs it."""
    billing_suspend_on_dispute: bool = False

    @model_validator(mode="after")
    def _live_keys_go_to_stripe(self) -> Self:
        if self.stripe_api_base and is_live_key(self.stripe_secret_key):
            raise ValueError("STRIPE_API_BASE: must not be set together with a live key")
        return self

    @property
    def livemode(self) -> bool:
        """Whether the sessions that are ours move real money."""
        return is_live_key(self.stripe_secret_key)
