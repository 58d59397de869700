"""Fills a new state bucket: after the upgrade that brings it, and after it was deleted.

A change writes only its own user's entry, so a new bucket lacks everybody else's.
"""

from __future__ import annotations

import asyncio

import psycopg

from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.outbox import OutboxRelay
from atlas_kit.process.logs import get_logger
from atlas_kit.storage.database import Database
from entitlements.adapters import projected_states
from entitlements.adapters.rebuild_process import republish_process
from entitlements.adapters.state_bucket import StateBucket

log = get_logger()

RETRY_SECONDS = 5.0


class FillNewBucket:
    """A worker in every replica; the one whose relay publishes fills the bucket.

    So no replica of an earlier version, which writes no entries, publishes after it was filled.
    """

    def __init__(self, database: Database, broker: Broker, bucket: StateBucket, relay: OutboxRelay) -> None:
        self._database, self._broker, self._bucket, self._relay = database, broker, bucket, relay

    async def run(self) -> None:
        """Fill each new bucket, until cancelled."""
        await self._broker.connected.wait()
        while True:
            await self._relay.leading.wait()
            try:
                if await self.fill():
                    await self._bucket.made_anew.wait()
                    self._bucket.made_anew.clear()
                    continue
            except (Unavailable, psycopg.OperationalError, OSError) as error:
                log.warning("state.waiting", error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    async def fill(self) -> bool:
        """Whether the bucket is filled. Raises BrokerUnavailable, DatabaseUnavailable."""
        made = await self._bucket.declare()
        async with self._database.transaction() as connection:
            if await projected_states.filled_bucket(connection) == made:
                return True
            if not await projected_states.count_states(connection):
                await projected_states.mark_filled(connection, made)
                return True
        log.info("state.filling")
        async with republish_process("--entries-only") as process:
            await process.communicate()
        if process.returncode:
            log.error("state.filling_failed")
            return False
        log.info("state.filled")
        return True
