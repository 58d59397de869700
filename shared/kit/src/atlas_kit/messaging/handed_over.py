"""Rows of an outbox that the transaction's own process hands to its relay, so that the relay needn't read them.

The table stays the truth: a row that is lost here is read from it. So whatever is in doubt is forgotten here, and read.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import from_json

from atlas_kit.process import context

LONGEST_SECONDS = 0.5
"""What has waited longer than this is read again: meanwhile a row may have been taken back (a user was forgotten)."""


class OutboxRow(NamedTuple):
    """A row as the relay reads it. Later rows have greater ids where the writers' transactions exclude each other."""

    id: int
    message_id: str
    subject: str
    payload: str
    request_id: str | None

    @property
    def ids(self) -> context.Ids:
        """The ids for the message's header: the span in which the event was made, as the event's member has it."""
        event = from_json(self.payload)
        return context.Ids(
            context.accept_request_id(self.request_id, event.get("requestid")),
            context.accept_traceparent(event.get("traceparent")),
        )


class HandedOver:
    """What the relay of this process has in hand. Until it has read the table it takes nothing."""

    def __init__(self) -> None:
        self.known: int | None = None
        """The greatest id that the relay has read or was handed; None while it has to read first. Whoever hands rows
        over says whether others wrote rows after this one."""
        self.published: list[int] = []
        """Ids of rows that are stored at the broker, and still in the table."""
        self.must_read = True
        self._rows: deque[tuple[float, OutboxRow]] = deque()
        self._changed = asyncio.Event()

    def end(self) -> None:
        """Forget everything: the next thing to do is to read."""
        self.published.clear()
        self._doubt()

    def reads(self) -> None:
        """The relay begins to read; who writes from now on may have to be looked for again."""
        self.must_read = False

    def has_read(self, rows: Sequence[OutboxRow], *, all_of_them: bool) -> None:
        """The relay has read the table; unless that was ``all_of_them``, it takes nothing before it has read on."""
        if not all_of_them:
            self._doubt()
            return
        last = rows[-1].id if rows else 0
        self.known = max(self.known or 0, last)
        while self._rows and self._rows[0][1].id <= last:
            self._rows.popleft()

    def add(self, rows: Sequence[OutboxRow], *, others_wrote: bool) -> None:
        """Rows whose transaction is committed. ``others_wrote``: there are older rows than these, after ``known``."""
        if self.known is None:
            return
        if others_wrote:
            self.look()
            return
        new = [row for row in rows if row.id > self.known]  # the others have been read meanwhile
        if new:
            now = time.monotonic()
            self._rows.extend((now, row) for row in new)
            self.known = new[-1].id
            self._changed.set()

    def look(self) -> None:
        """Somebody else has written: the table must be read."""
        self.must_read = True
        self._changed.set()

    def take(self, limit: int) -> list[OutboxRow]:
        """The next rows to publish, oldest first; none when they have waited for too long, and so must be read."""
        if self._rows and time.monotonic() - self._rows[0][0] > LONGEST_SECONDS:
            self._doubt()
        return [self._rows.popleft()[1] for _ in range(min(limit, len(self._rows)))]

    async def wait(self, seconds: float) -> bool:
        """Until there is something to do; False when ``seconds`` are over."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def _doubt(self) -> None:
        """Read everything again that isn't published."""
        self._rows.clear()
        self.known, self.must_read = None, True
