"""Counts the last hour's webhooks, and those with a wrong signature or a thin event, for ``atlas doctor``.

The counts per minute are in the service's bucket, so that they survive a restart and include every replica. After a
kill the counts of the last second or so may be missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, defaultdict

from atlas_kit.messaging.broker import BrokerUnavailable
from atlas_kit.process.logs import get_logger
from webhook_ingest.adapters.bucket import Bucket

log = get_logger()

KEY = "webhook-shares"
MINUTES = 60
WRITE_SECONDS = 1.0
"""Pause before each write: at most one write in this time, however many webhooks come."""
TRIES = 5
"""Attempts to write; an attempt fails when another replica writes at the same time."""

RECEIVED, WRONG, OUTSIDE_TOLERANCE, UNSIGNED, THIN = (
    "received",
    "wrongSignature",
    "outsideTolerance",
    "unsigned",
    "thin",
)
_OF_REASON = {"missing": UNSIGNED, "outside_tolerance": OUTSIDE_TOLERANCE, "thin_event": THIN}
_NO_SIGNATURE_OF_OURS = frozenset({"duplicated", "too_long", "malformed", "mismatch"})


class WebhookShares:
    """Counts in memory, and writes into the bucket in the background."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._unwritten: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._counted = asyncio.Event()
        self._writing = asyncio.Lock()

    def count(self, refused: str | None = None) -> None:
        """Count one delivery; ``refused`` is the reason if it was refused."""
        minute = self._unwritten[int(time.time()) // 60]
        minute[RECEIVED] += 1
        kind = WRONG if refused in _NO_SIGNATURE_OF_OURS else _OF_REASON.get(refused or "")
        if kind:
            minute[kind] += 1
        self._counted.set()

    async def run(self) -> None:
        """Write new counts into the bucket, until cancelled."""
        while True:
            await self._counted.wait()
            await asyncio.sleep(WRITE_SECONDS)
            with contextlib.suppress(BrokerUnavailable):  # the counts are kept and written with the next ones
                await self.write()
            self._forget_old(self._unwritten)

    async def write(self) -> dict[str, int]:
        """Add new counts to the bucket. Returns the last hour's sums of all replicas. Raises BrokerUnavailable."""
        async with self._writing:
            return await self._written()

    async def _written(self) -> dict[str, int]:
        self._counted.clear()
        for _ in range(TRIES):
            entry = await self._bucket.get(KEY)
            told = (entry.value or {}).get("minutes", {})
            minutes = defaultdict(Counter, {int(minute): Counter(kinds) for minute, kinds in told.items()})
            unwritten = {minute: Counter(kinds) for minute, kinds in self._unwritten.items()}
            for minute, kinds in unwritten.items():
                minutes[minute].update(kinds)
            self._forget_old(minutes)
            if not unwritten or await self._bucket.put(KEY, {"minutes": minutes}, entry.revision):
                self._take_off(unwritten)
                return dict(sum(minutes.values(), Counter()))
        self._counted.set()
        raise BrokerUnavailable

    async def write_last(self) -> None:
        """Write new counts once, when the service stops; they are lost if the broker is away."""
        with contextlib.suppress(BrokerUnavailable):
            await self.write()

    async def last_hour(self) -> dict[str, int]:
        """Deliveries of the last hour: received, and of those wrongSignature, outsideTolerance, unsigned, thin."""
        sums = await self.write()
        return {kind: sums.get(kind, 0) for kind in (RECEIVED, WRONG, OUTSIDE_TOLERANCE, UNSIGNED, THIN)}

    def _take_off(self, written: dict[int, Counter[str]]) -> None:
        for minute, kinds in written.items():
            self._unwritten[minute] -= kinds
            if not self._unwritten[minute]:
                del self._unwritten[minute]

    @staticmethod
    def _forget_old(minutes: defaultdict[int, Counter[str]]) -> None:
        oldest = int(time.time()) // 60 - MINUTES
        for minute in [minute for minute in minutes if minute <= oldest]:
            del minutes[minute]
