"""Decides when to pull events from Stripe, and sets the gauge that says how far the pull is behind."""

from __future__ import annotations

import asyncio
import time

from atlas_kit.http.errors import AtlasError
from atlas_kit.messaging.broker import BrokerUnavailable
from atlas_kit.process.logs import get_logger
from atlas_kit.tracing.work import working
from webhook_ingest.adapters.metrics import PULL_DRIFT
from webhook_ingest.adapters.pull_state import PullBusy, PullState
from webhook_ingest.use_cases.read_missed_events import Pull, failure_reason

log = get_logger()

LOOK_SECONDS = 5.0
"""Seconds between a replica's checks whether a pull is due."""
RETRY_SECONDS = 60.0
"""Seconds to the next try after a pull that failed."""


class PullSchedule:
    """A worker in every replica. The one that finds the cursor older than the interval, and gets the lease, pulls."""

    def __init__(self, pull: Pull, state: PullState, interval_seconds: int) -> None:
        self._pull, self._state, self._interval = pull, state, interval_seconds
        self._seen: tuple[int, float] | None = None
        """The cursor's newest value, and when it got it (seconds of the monotonic clock)."""
        PULL_DRIFT.set_function(self._drift)

    async def run(self) -> None:
        """Pull whenever it is due, until cancelled."""
        while True:
            pause = LOOK_SECONDS
            if await self._due() and not await self._pulled():
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)

    async def _due(self) -> bool:
        try:
            cursor = await self._state.cursor()
        except BrokerUnavailable:
            return False
        return self._interval > 0 and (cursor is None or self._age(cursor) >= self._interval)

    def _age(self, cursor: int) -> float:
        """Seconds since the time of the cursor. The wall clock is read only once, for the first value, because it may
        jump: pulls would then stop, or follow each other without a pause.
        """
        if self._seen is None:
            self._seen = (cursor, time.monotonic() - max(0.0, time.time() - cursor))
        elif self._seen[0] != cursor:
            self._seen = (cursor, time.monotonic())
        return time.monotonic() - self._seen[1]

    async def _pulled(self) -> bool:
        with working("pull"):
            try:
                async for progress in self._pull.run():
                    if progress["stage"] == "done":
                        log.info("billing.pull.done", **progress["counts"])
            except PullBusy:
                pass
            except AtlasError as error:
                log.warning("billing.pull.failed", error=type(error).__name__, reason=failure_reason(error))
                return False
            except Exception:  # answered here, so that the next try comes after RETRY_SECONDS and not at once
                log.exception("billing.pull.broken")
                return False
            return True

    def _drift(self) -> float:
        """Seconds between now and the cursor; NaN before the first pull has ended."""
        known = self._state.known
        return float("nan") if known is None else max(0.0, time.time() - known)
