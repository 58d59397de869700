"""The pull's timetable, and the gauge of how far it may be behind."""

from __future__ import annotations

import asyncio
import time

from atlas_kit import context
from atlas_kit.errors import AtlasError
from atlas_kit.logs import get_logger
from atlas_kit.messaging import BrokerUnavailable
from webhook_ingest.metrics import PULL_DRIFT
from webhook_ingest.pull import Pull, failure_reason
from webhook_ingest.pull_state import PullBusy, PullState

log = get_logger()

LOOK_SECONDS = 5.0
"""How often every replica looks whether a pull is due."""
RETRY_SECONDS = 60.0
"""After a pull that failed."""


class PullSchedule:
    """Runs in every replica: whoever finds the cursor older than the interval pulls, if it gets the lease."""

    def __init__(self, pull: Pull, state: PullState, interval_seconds: int) -> None:
        self._pull, self._state, self._interval = pull, state, interval_seconds
        self._seen: tuple[int, float] | None = None
        """The cursor when it last moved, and since when (monotonic)."""
        PULL_DRIFT.set_function(self._drift)

    async def run(self) -> None:
        """Look, pull when due, for ever."""
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
        """Seconds. The wall clock is asked once, at the start: it may jump, and pulls would stop, or never end."""
        if self._seen is None:
            self._seen = (cursor, time.monotonic() - max(0.0, time.time() - cursor))
        elif self._seen[0] != cursor:
            self._seen = (cursor, time.monotonic())
        return time.monotonic() - self._seen[1]

    async def _pulled(self) -> bool:
        with context.bound(context.new_request_id()):
            try:
                async for progress in self._pull.run():
                    if progress["stage"] == "done":
                        log.info("billing.pull.done", **progress["counts"])
            except PullBusy:
                pass
            except AtlasError as error:
                log.warning("billing.pull.failed", error=type(error).__name__, reason=failure_reason(error))
                return False
            except Exception:  # the next try is a minute away, not a second
                log.exception("billing.pull.broken")
                return False
            return True

    def _drift(self) -> float:
        """Seconds; NaN while no pull has ever come to its end."""
        known = self._state.known
        return float("nan") if known is None else max(0.0, time.time() - known)
