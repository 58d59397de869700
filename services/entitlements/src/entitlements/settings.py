"""What the entitlements service reads from its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
from atlas_kit.process.settings import HttpUrl, PostgresUrl, ReaderNames, ServiceSettings
from entitlements.domain.policy import Policy

DEFAULT_PORT = 8003


class EntitlementsSettings(ServiceSettings):
    """See docs/configuration.md for every variable."""

    service = ENTITLEMENTS_SERVICE
    database_url: PostgresUrl
    database_migration_url: PostgresUrl | None = None
    database_pool_size: int = Field(default=10, ge=2, le=100)
    checkout_url: HttpUrl = "http://127.0.0.1:8002"
    internal_readers: ReaderNames = ()
    """Further services that may ask who is Pro, comma-separated; their keys are among the trusted ones."""
    billing_grant_free_checkouts: bool = False
    billing_suspend_on_dispute: bool = False
    billing_require_known_session: bool = False
    billing_currency: Annotated[
        str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z]{3}(\s*,\s*[A-Za-z]{3})*$")
    ] = "usd"
    """Accepted currencies of sessions that the checkout service did not record, comma-separated."""

    def policy(self) -> Policy:
        return Policy(
            grant_free_checkouts=self.billing_grant_free_checkouts,
            suspend_on_dispute=self.billing_suspend_on_dispute,
            require_known_session=self.billing_require_known_session,
            currencies=tuple(code.strip() for code in self.billing_currency.split(",")),
        )
