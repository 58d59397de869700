"""The pull: reads Stripe's list of events, so that events whose webhook never arrived take effect too.

The list is read in windows of time, oldest first, and each window's events are published oldest first: so memory stays
bounded and the cursor can advance window by window. The cursor moves only after the broker has confirmed every event
before it; a pull that was interrupted is continued from there. A pull begins some minutes before the cursor, to find
events that Stripe listed late; the other events of these minutes are duplicates and change nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from atlas_contracts.billing import Via
from atlas_kit.http.errors import AtlasError
from atlas_kit.messaging.broker import BrokerUnavailable
from atlas_kit.process.logs import get_logger
from atlas_stripe.arrival import Arrival
from atlas_stripe.envelope import is_event
from atlas_stripe.objects import Unmappable
from webhook_ingest.adapters.metrics import PARKED, PULL_FAILURES, PULLED
from webhook_ingest.adapters.pull_state import Ended, PullBusy, PullState
from webhook_ingest.ports import ListedEvents, RefreshPayments
from webhook_ingest.use_cases.admit import Admission, Door, Outcome, normalize

log = get_logger()

OVERLAP_SECONDS = 600
"""How far before the cursor a pull begins: Stripe lists an event some seconds after it was created."""
WINDOW_SECONDS = 6 * 3600
"""Length of a window."""
MOST_PER_WINDOW = 2_000
"""Events. A window with more is halved, so that less than about 10 MB of events are in memory at once."""
RETENTION_SECONDS = 30 * 86_400
"""How long Stripe lists an event (docs.stripe.com/api/events: 30 days)."""
AT_ONCE = 64
"""Events published at the same time, so that the broker writes many of them to disk with one sync."""

PullProgress = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pull:
    """Reads events at Stripe and admits them. A lease in the broker lets one replica at a time do so."""

    events: ListedEvents
    door: Door
    state: PullState
    refresh_payments: RefreshPayments | None = None
    """Called when the cursor is older than Stripe's list, to find changes whose events are no longer listed."""

    async def run(self, *, since_seconds: int | None = None, dry_run: bool = False) -> AsyncIterator[PullProgress]:
        """Pull from the cursor (or ``since_seconds`` ago) until now, and yield the progress.

        The last item's ``stage`` is ``done``. Raises PullBusy, StripeUnavailable, BrokerUnavailable or, from reading
        old payments, another AtlasError. What was published before stays published.
        """
        if dry_run:
            async for progress in self._steps(since_seconds, dry_run=True):
                yield progress
            return
        async with self.state.lease():
            try:
                async for progress in self._steps(since_seconds, dry_run=False):
                    yield progress
            except PullBusy:  # the lease was lost meanwhile: the replica that has it now continues
                raise
            except Exception as error:
                await self._failed(error)
                raise

    async def _steps(self, since_seconds: int | None, *, dry_run: bool) -> AsyncIterator[PullProgress]:
        # Stripe's clock, not ours: if ours were ahead, the cursor would skip events that Stripe creates later.
        now = await self.events.now()
        cursor = await self.state.cursor()
        oldest = now - RETENTION_SECONDS
        since = now - since_seconds if since_seconds else (oldest if cursor is None else cursor - OVERLAP_SECONDS)
        since = max(since, oldest)
        connects = since_seconds is None or (cursor is not None and since <= cursor)
        totals: Counter[str] = Counter()
        yield {"stage": "started", "since": _iso(since), "until": _iso(now), "dryRun": dry_run}
        if cursor is not None and cursor < oldest and self.refresh_payments and not dry_run:
            yield {"stage": "swept", "payments": await self.refresh_payments()}
        async for window in self._windows(since, now + 1, dry_run=dry_run):
            totals.update(window["counts"])
            end = window.pop("end")
            if connects and not dry_run:
                await self.state.advance(min(end, now))
            yield {"stage": "window", **window}
        if not dry_run:
            await self.state.end(Ended(time.time()))
        yield {"stage": "done", "counts": dict(totals), "cursor": _iso(await self.state.cursor())}

    async def _failed(self, error: Exception) -> None:
        reason = failure_reason(error)
        PULL_FAILURES.labels(reason).inc()
        message = error.message if isinstance(error, AtlasError) else AtlasError.default_message
        await self.state.end(Ended(time.time(), reason, message))

    async def _windows(self, since: int, until: int, *, dry_run: bool) -> AsyncIterator[PullProgress]:
        start, width = since, WINDOW_SECONDS
        while start < until:
            if not dry_run and not await self.state.take_lease():
                raise PullBusy
            end = min(start + width, until)
            events = await self._read(start, end)
            if events is None:
                width = max(1, (end - start) // 2)
                continue
            counts = await self._admit(events, dry_run=dry_run)
            yield {"from": _iso(start), "to": _iso(end), "counts": dict(counts), "end": end}
            start, width = end, min(width * 2, WINDOW_SECONDS)

    async def _read(self, start: int, end: int) -> list[dict[str, Any]] | None:
        """All events of a window, oldest first; None when it has more than MOST_PER_WINDOW and can be halved."""
        found: list[dict[str, Any]] = []
        async for event in self.events.between(start, end):
            if is_event(event):
                found.append(event)
            if len(found) > MOST_PER_WINDOW and end - start > 1:
                return None
        return sorted(found, key=lambda event: (event["created"], event["id"]))

    async def _admit(self, events: list[dict[str, Any]], *, dry_run: bool) -> Counter[str]:
        counts: Counter[str] = Counter()
        for first in range(0, len(events), AT_ONCE):
            some = events[first : first + AT_ONCE]
            if dry_run:
                counts.update([await _would_become(self.door, event) for event in some])
            else:
                outcomes = await asyncio.gather(*(self.door.admit(event, _arrival(event)) for event in some))
                counts.update(_count(outcomes))
        return counts


def _count(outcomes: Iterable[Outcome]) -> list[str]:
    names = []
    for outcome in outcomes:
        name = "parked" if outcome.parked else outcome.admission.value
        if outcome.parked:
            PARKED.labels(outcome.reason).inc()
            log.warning("billing.event.parked", eventId=outcome.event_id, reason=outcome.reason)
        elif outcome.admission is Admission.ACCEPTED:
            log.info("billing.pull.published", eventId=outcome.event_id)
        PULLED.labels(name).inc()
        names.append(name)
    return names


def failure_reason(error: Exception) -> str:
    """A stable word for why a pull failed: the error's own ``reason``, else which part did not answer."""
    told = getattr(error, "reason", None)
    if isinstance(told, str):
        return told
    if isinstance(error, BrokerUnavailable):
        return "broker_unavailable"
    return "service_unavailable" if isinstance(error, AtlasError) else "unforeseen"


async def _would_become(door: Door, event: dict[str, Any]) -> str:
    """What would become of the event. A dry run can't tell whether it is a duplicate: only the broker knows."""
    if await door.reason_to_ignore(event):
        return Admission.IGNORED
    try:
        normalize(event, _arrival(event))
    except Unmappable:
        return "parked"
    return "found"


def _arrival(event: dict[str, Any]) -> Arrival:
    """How a listed event came. It has no signature: Stripe's API sent it over TLS, in answer to our key."""
    said = json.dumps(event, sort_keys=True, separators=(",", ":")).encode()
    return Arrival(
        via=Via.PULL,
        received_at=datetime.now(UTC),
        payload_hash=f"sha256:{hashlib.sha256(said).hexdigest()}",
        signature_verified=False,
    )


def _iso(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
