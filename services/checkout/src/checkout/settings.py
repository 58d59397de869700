"""What the checkout service is configured with."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from atlas_contracts.internal_api import CHECKOUT_SERVICE
from atlas_kit.process.settings import (
    HttpOrigin,
    HttpUrl,
    PostgresUrl,
    ServiceSettings,
    StripePriceId,
    StripeSecretKey,
    is_live_key,
)
from atlas_stripe.session_ownership import Rules
from checkout.domain.session_parameters import SessionOptions
from checkout.use_cases.list_provider_state import ProviderPolicy

DEFAULT_PORT = 8002
LIVE_RATE, TEST_RATE = 40.0, 10.0


def _portal_configuration(value: str) -> str:
    if not value.startswith("bpc_"):
        raise ValueError("must start with bpc_")
    return value


def _currencies(value: str) -> str:
    codes = [code.strip().lower() for code in value.split(",")]
    if not all(re.fullmatch("[a-z]{3}", code) for code in codes):
        raise ValueError("must be currency codes such as usd, or several: usd,eur")
    return ",".join(codes)


class CheckoutSettings(ServiceSettings):
    """Environment variables, in upper case; see CONTRACT 6."""

    service = CHECKOUT_SERVICE
    database_url: PostgresUrl
    database_migration_url: PostgresUrl | None = None
    database_pool_size: int = Field(default=10, ge=2, le=200)
    stripe_secret_key: StripeSecretKey
    stripe_api_base: HttpUrl | None = None
    stripe_price_pro_lifetime: StripePriceId
    stripe_billing_portal_configuration_id: Annotated[str, AfterValidator(_portal_configuration)] | None = None
    stripe_automatic_tax: bool = False
    stripe_tax_id_collection: bool = False
    stripe_allow_promotion_codes: bool = False
    nextauth_url: HttpOrigin
    entitlements_url: HttpUrl = "http://127.0.0.1:8003"
    webhook_ingest_url: HttpUrl = "http://127.0.0.1:8001"
    backfill_requests_per_second: float | None = Field(default=None, ge=0.1, le=80)
    billing_grant_free_checkouts: bool = False
    """This and the next three are the entitlements service's settings; here only ``audit``'s list uses them."""
    billing_suspend_on_dispute: bool = False
    billing_require_known_session: bool = False
    billing_currency: Annotated[str, AfterValidator(_currencies)] = "usd"

    @model_validator(mode="after")
    def _live_keys_go_to_stripe(self) -> Self:
        if self.stripe_api_base and is_live_key(self.stripe_secret_key):
            raise ValueError("STRIPE_API_BASE: must not be set together with a live key")
        return self

    def session_options(self) -> SessionOptions:
        return SessionOptions(
            automatic_tax=self.stripe_automatic_tax,
            tax_id_collection=self.stripe_tax_id_collection,
            promotion_codes=self.stripe_allow_promotion_codes,
        )

    def provider_policy(self) -> ProviderPolicy:
        return ProviderPolicy(
            Rules(
                currencies=self.billing_currency.split(","),
                require_known_session=self.billing_require_known_session,
                livemode=self.livemode,
            ),
            grant_free_checkouts=self.billing_grant_free_checkouts,
            suspend_on_dispute=self.billing_suspend_on_dispute,
        )

    @property
    def backfill_rate(self) -> float:
        """Requests per second of a backfill: less than half of what Stripe allows (100 live, 25 test)."""
        return self.backfill_requests_per_second or (LIVE_RATE if self.livemode else TEST_RATE)

    @property
    def livemode(self) -> bool:
        """Whether our sessions are paid with real money, as the Stripe key's prefix says."""
        return is_live_key(self.stripe_secret_key)
