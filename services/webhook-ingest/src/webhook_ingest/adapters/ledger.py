"""What this service asks the entitlements service's ledger."""

from __future__ import annotations

from collections.abc import Sequence

from atlas_contracts.billing import BillingData
from atlas_contracts.internal_api import (
    INGEST_SERVICE,
    AppliedRequest,
    AppliedResult,
    NewsRequest,
    NewsResult,
)
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.errors import AtlasError, Unavailable

NEWS_SECONDS = 10.0
"""The ledger first folds what the broker holds already."""


class EntitlementsLedger:
    """Every failure raises Unavailable: asking once more is harmless."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def news(self, facts: Sequence[BillingData]) -> frozenset[str]:
        try:
            answer = await self._client.post(
                "/internal/news", INGEST_SERVICE, NewsResult, NewsRequest(facts=list(facts)), seconds=NEWS_SECONDS
            )
        except AtlasError as error:
            raise Unavailable from error
        return frozenset(answer.news)

    async def applied(self, event_ids: Sequence[str], seconds: float) -> bool:
        request = AppliedRequest(event_ids=list(event_ids), timeout_ms=round(seconds * 1000))
        try:
            answer = await self._client.post(
                "/internal/applied", INGEST_SERVICE, AppliedResult, request, seconds=seconds + 1
            )
        except AtlasError as error:
            raise Unavailable from error
        return answer.applied
