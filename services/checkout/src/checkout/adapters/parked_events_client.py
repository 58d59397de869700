"""Calls to webhook-ingest, which has the parked events."""

from __future__ import annotations

from atlas_contracts.callers import forget_path
from atlas_contracts.internal_api import ForgottenParked
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.errors import AtlasError, Unavailable

FORGET_SECONDS = 20.0
"""All parked events are read, and a mark is written for each that mentions the user."""


class ParkedEventsClient:
    """A failure raises Unavailable, because the call can't fail by the user's fault."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def forget(self, user_id: str) -> ForgottenParked:
        """Take the user's parked events out of every list and redrive."""
        try:
            return await self._client.post(forget_path(user_id), user_id, ForgottenParked, seconds=FORGET_SECONDS)
        except AtlasError as error:
            raise Unavailable from error
