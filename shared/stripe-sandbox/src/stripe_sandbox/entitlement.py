"""Asks the product for a user's entitlement, which the control room shows beside each buyer.

To the product the sandbox is one more service that may ask who is Pro (docs/consuming-entitlements.md): it signs with a
key of its own, whose ``kid`` is its name, and may call nothing else.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from stripe_sandbox.settings import Settings

QUERY = "/v1/entitlements/query"
TIMEOUT_SECONDS = 2
FRESH_SECONDS = 0.4  # an answer is shown again without asking for this long
CONCURRENCY = 8


class Entitlements(Protocol):
    """Returns a user's present entitlement; None when it can't be known."""

    async def of(self, user_id: str) -> dict[str, Any] | None: ...

    async def close(self) -> None: ...


class UnknownEntitlements:
    """Used when no product is connected to this sandbox: nothing is known."""

    async def of(self, user_id: str) -> dict[str, Any] | None:  # noqa: ARG002 - the port's signature
        return None

    async def close(self) -> None:
        return None


@dataclass(slots=True)
class EntitlementService:
    """Asks the entitlements service as any other admitted service does."""

    url: str
    signing_key: str
    _client: aiohttp.ClientSession | None = None
    _known: dict[str, tuple[float, dict[str, Any] | None]] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENCY))

    async def of(self, user_id: str) -> dict[str, Any] | None:
        """The entitlement, at most FRESH_SECONDS old; None when the service doesn't answer."""
        known = self._known.get(user_id)
        if known is not None and known[0] + FRESH_SECONDS > time.monotonic():
            return known[1]
        async with self._slots:
            answer = await self._ask(user_id)
        self._known[user_id] = (time.monotonic(), answer)
        return answer

    def token(self) -> str:
        """A short-lived token in the sandbox's own name."""
        from stripe_sandbox.reader_token import reader_token  # noqa: PLC0415 - 4 MB, only for who looks at the room

        return reader_token(self.signing_key)

    async def _ask(self, user_id: str) -> dict[str, Any] | None:
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        headers = {"Authorization": f"Bearer {self.token()}"}
        try:
            async with self._client.post(self.url + QUERY, json={"userIds": [user_id]}, headers=headers) as response:
                body = await response.json(content_type=None) if response.ok else None
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return None
        found = body.get("entitlements") if isinstance(body, dict) else None
        return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()


def entitlements(settings: Settings) -> Entitlements:
    """The service's client, if the service is configured."""
    if settings.entitlement_url is None or settings.signing_key is None:
        return UnknownEntitlements()
    return EntitlementService(settings.entitlement_url, settings.signing_key)
