"""Asks the product for a user's entitlement, which the control room shows beside each buyer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
from joserfc import jwt
from joserfc.jwk import OctKey

from stripe_sandbox.settings import Settings

AUDIENCE, ISSUER = "entitlements", "operator"
TIMEOUT_SECONDS = 2
TOKEN_SECONDS = 60
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
    """Asks the entitlements service over its internal route, as an operator would, with a token for each user."""

    url: str
    secret: str
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

    def token(self, user_id: str) -> str:
        """A short-lived token, as the product's services make them for each other (HS256)."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user_id, "iat": now, "exp": now + TOKEN_SECONDS}
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(self.secret))

    async def _ask(self, user_id: str) -> dict[str, Any] | None:
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        headers = {"Authorization": f"Bearer {self.token(user_id)}"}
        try:
            async with self._client.get(f"{self.url}/internal/entitlement", headers=headers) as response:
                body = await response.json(content_type=None) if response.ok else None
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return None
        if not isinstance(body, dict):
            return None
        found = body.get("data", body)
        return found if isinstance(found, dict) else None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()


def entitlements(settings: Settings) -> Entitlements:
    """The service's client, if the service is configured."""
    if settings.entitlement_url is None or settings.internal_secret is None:
        return UnknownEntitlements()
    return EntitlementService(settings.entitlement_url, settings.internal_secret)
