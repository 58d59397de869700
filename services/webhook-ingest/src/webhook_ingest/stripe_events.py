"""Reading ``/v1/events`` through the official SDK, as plain dictionaries."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import stripe
from pydantic import SecretStr
from stripe import AIOHTTPClient, StripeClient

from atlas_contracts.stripe_mapping import SUPPORTED_EVENT_TYPES
from atlas_kit.errors import Unavailable

TYPES_PER_REQUEST = 20
"""Stripe's limit for the ``types`` filter."""
PAGE = 100
REQUEST_SECONDS = 10
NETWORK_RETRIES = 2


class StripeUnavailable(Unavailable):
    """Stripe didn't answer, or not with events."""


class StripeEvents:
    """The supported events of one Stripe account."""

    def __init__(self, key: SecretStr, base: str | None) -> None:
        self._key, self._base = key, base
        self._client: StripeClient | None = None

    async def now(self) -> int:
        """What time it is at Stripe, whose clock dates the events; seconds since 1970. Raises StripeUnavailable."""
        response = await self._asked({"limit": 1})
        try:
            return int(parsedate_to_datetime(response.headers["Date"]).timestamp())
        except (KeyError, ValueError):
            return int(time.time())

    async def between(self, since: int, until: int) -> AsyncIterator[dict[str, Any]]:
        """Events created in ``[since, until)``, seconds since 1970; newest first within a chunk of types.

        Raises StripeUnavailable.
        """
        for types in _chunks(SUPPORTED_EVENT_TYPES, TYPES_PER_REQUEST):
            created = {"gte": since, "lt": until}
            after: dict[str, str] = {}
            more = True
            while more:
                page = await self._page({"types": list(types), "created": created, "limit": PAGE, **after})
                for event in page["data"]:
                    yield event
                more = bool(page.get("has_more") and page["data"])
                if more:
                    after = {"starting_after": page["data"][-1]["id"]}

    async def _page(self, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            page: dict[str, Any] = dict((await self._asked(parameters)).data)
        except (TypeError, ValueError) as error:  # an answer that is no JSON object
            raise StripeUnavailable from error
        if not isinstance(page.get("data"), list):
            raise StripeUnavailable
        return page

    async def _asked(self, parameters: dict[str, Any]) -> Any:
        try:
            return await self._stripe().raw_request_async("get", "/v1/events", **parameters)
        except (stripe.StripeError, TypeError, ValueError) as error:
            raise StripeUnavailable from error

    def _stripe(self) -> StripeClient:
        """Made on first use: its HTTP client belongs to the running event loop."""
        if self._client is None:
            self._client = StripeClient(
                self._key.get_secret_value(),
                base_addresses={"api": self._base} if self._base else {},
                max_network_retries=NETWORK_RETRIES,
                http_client=AIOHTTPClient(timeout=REQUEST_SECONDS),
            )
        return self._client


def _chunks(values: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
