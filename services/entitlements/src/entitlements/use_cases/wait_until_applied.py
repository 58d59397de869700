"""Waiting until events are folded: what restore and confirm need to answer honestly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from atlas_kit.storage.database import Database
from entitlements.adapters.ledger import all_known

POLL_SECONDS = 0.1
"""How often to look when another replica may have folded."""


async def wait_until_applied(
    database: Database, event_ids: Sequence[str], timeout_ms: int, folded: asyncio.Condition
) -> bool:
    """True once every event is in the ledger, False when the time was up before. Event ids are ours: ``a:b:type``."""
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
    """``stripe:evt_1:refund_issued`` → ``("stripe", "evt_1")``."""
    provider, _, rest = event_id.partition(":")
    return provider, rest.rpartition(":")[0]
