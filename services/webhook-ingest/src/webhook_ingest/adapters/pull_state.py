"""The pull's state in the service's bucket: its cursor, which replica is pulling, and how the last pull ended."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from atlas_kit.http.errors import AtlasError
from atlas_kit.messaging.broker import Broker, BrokerUnavailable
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES
from webhook_ingest.adapters.bucket import Bucket, BucketEntry

LEASE_KEY = "pull-lease"
ENDED_KEY = "pull-ended"
LEASE_SECONDS = 60
"""How long the lease of a replica that died blocks the others."""
RENEW_SECONDS = LEASE_SECONDS / 3
"""Pause between two renewals while a pull runs: reading one window, or all old payments, may outlast the lease."""

SKEW_SECONDS = 60
"""How far the replicas' clocks may differ before two of them pull at once. That costs calls and does no other harm."""


class PullBusy(AtlasError):
    """Another replica is pulling."""

    status = 503
    default_message = "Another pull is running. Please try again later."


@dataclass(frozen=True, slots=True)
class Ended:
    """How a pull ended ``at`` (seconds since 1970): ``reason`` is a stable word and ``message`` a sentence about the
    failure; both are None for a pull that read everything.
    """

    at: float
    reason: str | None = None
    message: str | None = None


def cursor_key(types: Sequence[str]) -> str:
    """The key of the cursor for this set of event types.

    A version of the service that supports other types has no cursor yet and so begins where Stripe's list begins. It
    finds the events that older replicas ignored (docs/decisions/0010).
    """
    return f"pull-cursor-{hashlib.sha256(' '.join(sorted(types)).encode()).hexdigest()[:8]}"


class PullState:
    """Cursor and lease. Every method raises BrokerUnavailable when the broker doesn't answer."""

    def __init__(self, broker: Broker, replicas: int, types: Sequence[str] = SUPPORTED_EVENT_TYPES) -> None:
        self._bucket = Bucket(broker, replicas)
        self._cursor_key = cursor_key(types)
        self._owner = secrets.token_hex(8)
        self._taking = asyncio.Lock()
        self._ended: Ended | None = None
        """How this replica's last pull ended, while the broker has not stored it."""
        self.known: int | None = None
        """The cursor as this replica last read or wrote it."""

    async def cursor(self) -> int | None:
        """The instant (seconds since 1970) up to which every event is known to be published; None before any pull."""
        self.known = _until(await self._bucket.get(self._cursor_key))
        return self.known

    async def advance(self, until: int) -> None:
        """Move the cursor forward; it never goes back."""
        entry = await self._bucket.get(self._cursor_key)
        known = _until(entry)
        if (known is None or known < until) and await self._bucket.put(
            self._cursor_key, {"until": until}, entry.revision
        ):
            self.known = until

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[None]:
        """Hold the lease while the block runs, and renew it. Raises PullBusy when another replica holds it.

        Renewing may fail without notice (the broker is away for a minute, say): the pull checks with ``take_lease``.
        """
        if not await self.take_lease():
            raise PullBusy
        keeping = asyncio.create_task(self._keep_lease(), name="pull-lease")
        try:
            yield
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
            with contextlib.suppress(BrokerUnavailable):  # the lease expires by itself
                await self.release_lease()

    async def take_lease(self) -> bool:
        """Whether this replica may pull for the next LEASE_SECONDS; call it again to keep it."""
        async with self._taking:  # the pull and the renewing task must not overwrite each other's lease
            return await self._take_lease()

    async def _take_lease(self) -> bool:
        entry = await self._bucket.get(LEASE_KEY)
        now = time.time()
        # A lease that ends later was written by a replica whose clock was ahead, and which may be dead: ignore it.
        held = entry.value and now < float(entry.value["until"]) <= now + LEASE_SECONDS + SKEW_SECONDS
        if entry.value and held and entry.value["owner"] != self._owner:
            return False
        return await self._bucket.put(LEASE_KEY, {"owner": self._owner, "until": now + LEASE_SECONDS}, entry.revision)

    async def release_lease(self) -> None:
        entry = await self._bucket.get(LEASE_KEY)
        if entry.value and entry.value["owner"] == self._owner:
            await self._bucket.put(LEASE_KEY, {"owner": self._owner, "until": 0}, entry.revision)

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with contextlib.suppress(BrokerUnavailable):
                await self.take_lease()

    async def end(self, ended: Ended) -> None:
        """Store how a pull ended, for all replicas; while the broker is away, only this replica remembers it."""
        self._ended = ended
        with contextlib.suppress(BrokerUnavailable):
            entry = await self._bucket.get(ENDED_KEY)
            if await self._bucket.put(ENDED_KEY, asdict(ended), entry.revision):
                self._ended = None

    async def ended(self) -> Ended | None:
        """How the newest pull ended; None before the first."""
        entry = await self._bucket.get(ENDED_KEY)
        told = [Ended(**entry.value)] if entry.value else []
        return max([*told, *([self._ended] if self._ended else [])], key=lambda end: end.at, default=None)


def _until(entry: BucketEntry) -> int | None:
    return int(entry.value["until"]) if entry.value else None
