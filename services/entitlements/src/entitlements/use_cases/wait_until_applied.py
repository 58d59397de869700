"""Waiting until events are in the projection, so that restore and confirm answer with their effect included."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from atlas_kit.storage.database import Database
from entitlements.adapters.ledger import all_known

POLL_SECONDS = 0.1
"""Seconds between two looks into the ledger; needed because another replica may fold the events."""


async def wait_until_applied(
    database: Database, event_ids: Sequence[str], timeout_ms: int, folded: asyncio.Condition
) -> bool:
    """True once every event is in the ledger; False when that took longer than ``timeout_ms`` milliseconds.

    Event ids are canonical (``provider:providerEventId:type``). Raises DatabaseUnavailable.
    """
    keys = [event_key(event_id) for event_id in event_ids]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_ms / 1000
    while True:
        async with database.transaction() as connection:
            if await all_known(connection, keys):
                return True
        left = deadline - loop.time()
        if left <= 0:
            return False
        async with folded:
            with suppress(TimeoutError):
                await asyncio.wait_for(folded.wait(), min(left, POLL_SECONDS))


def event_key(event_id: str) -> tuple[str, str]:
    """The ledger's key of an event id: ``stripe:evt_1:refund_issued`` → ``("stripe", "evt_1")``."""
    provider, _, rest = event_id.partition(":")
    return provider, rest.rpartition(":")[0]
