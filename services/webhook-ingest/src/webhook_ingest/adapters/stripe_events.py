"""Reading ``/v1/events`` through the official SDK, as plain dictionaries."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pydantic import SecretStr

from atlas_kit.http.errors import Unavailable
from atlas_stripe.client import StripeConnection, answer_to, stripes_time
from atlas_stripe.failure import StripeFailure
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES

TYPES_PER_REQUEST = 20
"""Stripe's limit for the ``types`` filter."""
PAGE = 100
"""Events per page: Stripe's maximum."""
NETWORK_RETRIES = 2
"""How often the SDK repeats a failed request: once more than in a request that a buyer waits for."""

KEY_REFUSED, PERMISSION_LACKING, TOO_MANY, SILENT = (
    "stripe_key_refused",
    "stripe_permission",
    "stripe_rate_limited",
    "stripe_unavailable",
)
_SAID = {
    KEY_REFUSED: "Stripe refuses STRIPE_SECRET_KEY. Check whether it was replaced by another key.",
    PERMISSION_LACKING: "STRIPE_SECRET_KEY may not read this at Stripe. Give the key the permission Events: Read.",
    TOO_MANY: "Stripe answers that there are too many requests. Please try again later.",
    SILENT: "Stripe does not answer. Please try again later.",
}
_REASONS = {401: KEY_REFUSED, 403: PERMISSION_LACKING, 429: TOO_MANY}


class StripeUnavailable(Unavailable):
    """Stripe didn't answer, refused, or gave an unusable answer. ``reason`` is a stable word for logs and metrics."""

    def __init__(self, reason: str = SILENT) -> None:
        super().__init__(_SAID[reason])
        self.reason = reason


class StripeEvents:
    """Reads the supported events of one Stripe account, and the account's id."""

    def __init__(self, key: SecretStr, base: str | None) -> None:
        self._connection = StripeConnection(key, base, retries=NETWORK_RETRIES)

    async def close(self) -> None:
        """End every connection to Stripe."""
        await self._connection.close()

    async def now(self) -> int:
        """Stripe's time (its clock dates the events), in seconds since 1970. Raises StripeUnavailable."""
        told = stripes_time((await self._asked("/v1/events", {"limit": 1})).headers)
        return int(told.timestamp() if told else time.time())

    async def between(self, since: int, until: int) -> AsyncIterator[dict[str, Any]]:
        """Events created in ``[since, until)`` (seconds since 1970), newest first within each request's types.

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
            page: dict[str, Any] = dict((await self._asked("/v1/events", parameters)).data)
        except (TypeError, ValueError) as error:  # the answer is not a JSON object
            raise StripeUnavailable from error
        if not isinstance(page.get("data"), list):
            raise StripeUnavailable
        return page

    async def account(self) -> str | None:
        """The id of the account that the key belongs to; None if the answer has none. Raises StripeUnavailable."""
        data = (await self._asked("/v1/account", {})).data
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else None

    async def _asked(self, path: str, parameters: dict[str, Any]) -> Any:
        try:
            return await answer_to(self._connection.client.raw_request_async("get", path, **parameters))
        except StripeFailure as failure:
            raise StripeUnavailable(_REASONS.get(failure.status or 0, SILENT)) from failure
        except (TypeError, ValueError) as error:  # an answer that the SDK can't read
            raise StripeUnavailable from error


def _chunks(values: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
