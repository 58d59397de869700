"""Backfill: read every complete session of the account, whatever its age, and tell what the ledger doesn't know.

Sessions come newest first, in pages. After each page its place is kept, so that whoever calls again after a kill goes
on there: first what was made since, then what is older. Telling something twice changes nothing, so a page that was
half done is done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from atlas_contracts.billing import Via
from atlas_contracts.internal_api import BackfillRequest
from atlas_contracts.model import iso_utc
from atlas_kit.http.errors import InvalidRequest, Unavailable
from atlas_kit.messaging.events import now
from atlas_kit.process.logs import get_logger
from atlas_kit.storage.database import Database
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read
from atlas_stripe.session_ownership import Rules
from checkout.adapters import backfill_runs
from checkout.adapters.backfill_runs import Refusal, Run
from checkout.adapters.paced_stripe import PacedStripe
from checkout.ports import AccountReads, News, Publisher
from checkout.use_cases.tell_payments import Telling, Told, look_at_payments, publish_news

log = get_logger()

SESSION_LIFE = timedelta(hours=24)
"""A session may be completed so long after it was made, and only then is it listed."""
PAUSES_SECONDS = (0.5, 1, 2, 4, 8, 15)
"""Before another try, where broker, database or entitlements don't answer; then the call ends."""

Progress = dict[str, Any]
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Backfill:
    """What a backfill needs; ``stripe`` has connections of its own, so that no buyer waits behind it."""

    database: Database
    stripe: AccountReads
    broker: Publisher
    entitlements: News
    rules: Rules
    per_second: float
    """Requests at Stripe, where the caller doesn't say."""
    stopping: asyncio.Event
    """Set when the service is told to end."""


class Stopping(Unavailable):
    """The service ends; what was read is kept."""

    default_message = "The service is being stopped."


async def backfill(tools: Backfill, asked: BackfillRequest) -> AsyncIterator[Progress]:
    """How it goes, step by step; the last one's ``stage`` is ``done``.

    Raises InvalidRequest, BackfillBusy, StripeFailure and Unavailable; what is done by then is kept.
    """
    if asked.since and asked.since > now():
        raise InvalidRequest("since lies in the future.")
    async with backfill_runs.lease(tools.database) as still_held:
        course = _Course(tools, asked, still_held)
        async for step in course.steps():
            yield step


class _Course:
    """One call."""

    def __init__(self, tools: Backfill, asked: BackfillRequest, still_held: Callable[[], Awaitable[None]]) -> None:
        self._asked, self._database, self._still_held = asked, tools.database, still_held
        self._stopping = tools.stopping
        self._stripe = PacedStripe(tools.stripe, asked.requests_per_second or tools.per_second)
        self._telling = Telling(tools.database, self._stripe, tools.broker, tools.entitlements, tools.rules)

    async def steps(self) -> AsyncIterator[Progress]:
        run, resumed = await self._begun()
        log.info("billing.backfill.started", dryRun=self._asked.dry_run, resumed=resumed, read=run.read)
        since = iso_utc(run.since) if run.since else None
        yield {"stage": "started", "since": since, "dryRun": self._asked.dry_run, "resumed": resumed}
        for refusal in await backfill_runs.refusals(self._database) if resumed else ():
            yield _refused(refusal)
        if resumed:
            async for step in self._made_since(run):
                yield step
        async for step in self._older(run):
            yield step
        if not self._asked.dry_run:
            await backfill_runs.finish(self._database)
        log.info("billing.backfill.done", dryRun=self._asked.dry_run, **_counts(run))
        yield {"stage": "done", **_counts(run)}

    async def _begun(self) -> tuple[Run, bool]:
        """The run, and whether an earlier call has done a part of it. A dry run leaves an unfinished one as it is."""
        fresh = Run(self._asked.since, now())
        if self._asked.dry_run:
            return fresh, False
        found = None if self._asked.from_start else await backfill_runs.unfinished(self._database, self._asked.since)
        if found and found.last_session_id:
            return found, True
        await backfill_runs.begin(self._database, fresh)
        return fresh, False

    async def _made_since(self, run: Run) -> AsyncIterator[Progress]:
        """What was made or completed since the earlier call read the newest page, and isn't among what is left."""
        assert run.reached
        began, newer = now(), max(run.reached + timedelta(seconds=1), run.began_at - SESSION_LIFE)
        refused: list[Refusal] = []
        async for sessions in self._pages(newer, None, None):
            told = await self._told(sessions)
            # Those that the earlier call met are counted already, unless they were completed afterwards.
            counted = [
                one
                for session, one in zip(sessions, told, strict=True)
                if _made_at(session) >= run.began_at or one.result == "new"
            ]
            refused += _count(run, counted)
            yield _page(run, sessions)
        run.began_at = began
        # Kept when all of it is done: a call that ends before counts it again from the start.
        await backfill_runs.advance(self._database, run, refused)
        for refusal in refused:
            yield _refused(refusal)

    async def _older(self, run: Run) -> AsyncIterator[Progress]:
        async for sessions in self._pages(run.since, run.last_session_id, run.reached):
            refused = _count(run, await self._told(sessions))
            run.last_session_id, run.reached = sessions[-1].id, _made_at(sessions[-1])
            if not self._asked.dry_run:
                await backfill_runs.advance(self._database, run, refused)
            for step in (*map(_refused, refused), _page(run, sessions)):
                yield step

    async def _pages(
        self, since: datetime | None, after: str | None, reached: datetime | None
    ) -> AsyncIterator[Sequence[Read]]:
        """Pages of sessions made at ``since`` or later, from the session ``after`` (made at ``reached``) on."""
        created = {"gte": int(since.timestamp())} if since else {}
        while True:
            try:
                page = await self._stripe.session_page(
                    after, status="complete", **({"created": created} if created else {})
                )
            except StripeFailure as failure:
                if not (failure.is_missing and after and reached):
                    raise
                # The session that the place was kept by is gone: go by its time, and read that second again.
                created, after = {**created, "lte": int(reached.timestamp())}, None
                continue
            if page.sessions:
                yield page.sessions
                after, reached = page.sessions[-1].id, _made_at(page.sessions[-1])
            if not (page.sessions and page.has_more):
                return

    async def _told(self, sessions: Sequence[Read]) -> list[Told]:
        looked = await self._patiently(lambda: look_at_payments(self._telling, sessions, Via.BACKFILL))
        if not self._asked.dry_run:
            await self._patiently(lambda: publish_news(self._telling, looked.news))
        return looked.told

    async def _patiently(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Do it again while broker, database or entitlements don't answer. Raises Unavailable."""
        for pause in (*PAUSES_SECONDS, None):
            if self._stopping.is_set():
                raise Stopping
            await self._still_held()
            try:
                return await work()
            except Unavailable as error:
                if pause is None:
                    raise
                log.warning("billing.backfill.waiting", error=type(error).__name__, seconds=pause)
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")


def _count(run: Run, told: Sequence[Told]) -> list[Refusal]:
    """Add to the run's counts; those that were refused."""
    refused = [Refusal(one.session_id, one.user_id, one.because or "") for one in told if one.result == "refused"]
    run.read += len(told)
    run.new += sum(one.result == "new" for one in told)
    run.known += sum(one.result == "known" for one in told)
    run.refused += len(refused)
    return refused


def _made_at(session: Read) -> datetime:
    created = session.body.get("created")
    return datetime.fromtimestamp(created if isinstance(created, int) else 0, UTC)


def _counts(run: Run) -> Progress:
    return {"read": run.read, "new": run.new, "known": run.known, "refused": run.refused}


def _page(run: Run, sessions: Sequence[Read]) -> Progress:
    return {"stage": "page", **_counts(run), "reached": iso_utc(_made_at(sessions[-1]))}


def _refused(refusal: Refusal) -> Progress:
    return {
        "stage": "refused",
        "userId": refusal.user_id,
        "what": f"checkout session {refusal.session_id}",
        "because": refusal.because,
    }
