"""Calls to the entitlements service: who is Pro, and whether facts have taken effect."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from atlas_contracts.billing import BillingData
from atlas_contracts.callers import forget_path
from atlas_contracts.internal_api import (
    CHECKOUT_SERVICE,
    AppliedRequest,
    AppliedResult,
    EntitlementOverview,
    EntitlementView,
    ForgottenFacts,
    KnownCustomers,
    NewsRequest,
    NewsResult,
    PaymentVerdicts,
    PaymentVerdictView,
    VerdictsRequest,
)
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.errors import AtlasError, Unavailable

FORGET_SECONDS = 20.0
"""For a user with many facts; the fold waits meanwhile."""
APPLIED_SECONDS = 5.0
"""How long we wait for facts to be folded before the answer is "not yet"."""
MAX_IDS = 1000
"""Items per request: the limit in the request's model."""


NEWS_AT_ONCE = 400
"""Facts per question; the contract's limit is 500."""
NEWS_SECONDS = 15.0
"""The other side first folds what it was told before."""


class EntitlementsClient:
    """Every failure raises Unavailable, because none of these calls can fail by the user's fault."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def entitlement(self, user_id: str) -> EntitlementView:
        try:
            return await self._client.get("/internal/entitlement", user_id, EntitlementView)
        except AtlasError as error:
            raise Unavailable from error

    async def overview(self, user_id: str) -> EntitlementOverview:
        """The entitlement, and the state of the user's newest unfinished payment."""
        try:
            return await self._client.get("/internal/overview", user_id, EntitlementOverview)
        except AtlasError as error:
            raise Unavailable from error

    async def customers(self, user_id: str) -> list[str]:
        """The Stripe customers that facts of the user's payments name, newest first."""
        return (await self._known(user_id)).customer_ids

    async def sessions(self, user_id: str) -> list[str]:
        """The checkout sessions of the user's payments, those that we didn't make among them."""
        return (await self._known(user_id)).checkout_session_ids

    async def _known(self, user_id: str) -> KnownCustomers:
        try:
            return await self._client.get("/internal/customers", user_id, KnownCustomers)
        except AtlasError as error:
            raise Unavailable from error

    async def verdicts(self, user_id: str, session_ids: Sequence[str]) -> dict[str, PaymentVerdictView]:
        """The policy's verdict on each session's payment; sessions without any fact are left out."""
        found: dict[str, PaymentVerdictView] = {}
        waiting = iter(session_ids)
        while batch := list(itertools.islice(waiting, MAX_IDS)):
            request = VerdictsRequest(checkout_session_ids=batch)
            try:
                answer = await self._client.post("/internal/payment-verdicts", user_id, PaymentVerdicts, request)
            except AtlasError as error:
                raise Unavailable from error
            found |= {verdict.checkout_session_id: verdict for verdict in answer.payments}
        return found

    async def news(self, facts: Sequence[BillingData]) -> NewsResult:
        """Which of these facts say something that the ledger doesn't know, and which are a forgotten user's."""
        news: list[str] = []
        forgotten: list[str] = []
        waiting = iter(facts)
        while batch := list(itertools.islice(waiting, NEWS_AT_ONCE)):
            try:
                answer = await self._client.post(
                    "/internal/news", CHECKOUT_SERVICE, NewsResult, NewsRequest(facts=batch), seconds=NEWS_SECONDS
                )
            except AtlasError as error:
                raise Unavailable from error
            news += answer.news
            forgotten += answer.forgotten
        return NewsResult(news=news, forgotten=forgotten)

    async def applied(self, user_id: str, event_ids: Sequence[str], seconds: float = APPLIED_SECONDS) -> bool:
        """Wait until all of these events are in the ledger and folded; False if that takes too long."""
        waiting = iter(event_ids)
        while batch := list(itertools.islice(waiting, MAX_IDS)):
            request = AppliedRequest(event_ids=batch, timeout_ms=round(seconds * 1000))
            try:
                answer = await self._client.post(
                    "/internal/applied", user_id, AppliedResult, request, seconds=seconds + 1
                )
            except AtlasError as error:
                raise Unavailable from error
            if not answer.applied:
                return False
        return True

    async def forget(self, user_id: str) -> ForgottenFacts:
        """Take the user's name out of ledger and projection, and their entry out of the state bucket."""
        try:
            return await self._client.post(forget_path(user_id), user_id, ForgottenFacts, seconds=FORGET_SECONDS)
        except AtlasError as error:
            raise Unavailable from error
