"""The outbox: events are inserted into a table in the transaction that causes them, and published afterwards.

A row is deleted only after the broker has stored its event. If the process dies in between, the event is published
again with the same message id, and the broker drops it as a duplicate. Every service with an outbox has
:data:`CREATE_OUTBOX` in its first migration.

The relay reads the table when it begins, when another process has written, after a failure, and now and then. Where all
writers' transactions exclude each other, rows can be handed to the relay of their own process (``handed_over``).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import psycopg
from prometheus_client import Gauge

from atlas_contracts.streams import StreamSpec
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.at_once import SMALLEST_BATCH, AtOnce, Told
from atlas_kit.messaging.broker import Broker, BrokerUnavailable, count_published
from atlas_kit.messaging.handed_over import HandedOver, OutboxRow
from atlas_kit.messaging.headers import message_headers
from atlas_kit.process import context
from atlas_kit.process.logs import get_logger
from atlas_kit.storage.database import Connection, Database
from atlas_kit.storage.rows import as_json
from atlas_kit.tracing.messages import relaying

log = get_logger()

CREATE_OUTBOX = """
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id text NOT NULL UNIQUE,
    subject text NOT NULL,
    payload text NOT NULL,
    request_id text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('outbox', ''); RETURN NULL; END $$;
CREATE TRIGGER outbox_inserted AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION outbox_notify();
"""

QUIET = "-c atlas.outbox_quiet=on"
"""Option of a connection whose inserts wake no relay, since it hands its rows over. It takes an ``outbox_notify`` that
knows of it (:data:`NOTIFY_UNLESS_QUIET`)."""
NOTIFY_UNLESS_QUIET = """
CREATE OR REPLACE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('atlas.outbox_quiet', true) IS DISTINCT FROM 'on' THEN PERFORM pg_notify('outbox', ''); END IF;
    RETURN NULL;
END $$;
"""

BATCH = 256
"""Rows read and published together."""
GATHER_SECONDS = 0.05
"""After a pass that was large enough for a batch, the next one begins this long after its beginning at the earliest: at
such a rate more rows come, and a larger batch costs the broker less for each."""
IDLE_SECONDS = 1.0
"""Pause between two looks into the table without a notification, which can be lost with a connection."""
DELETE_SECONDS = 0.2
"""Rows that were handed over are deleted together, this long after the first of them was published."""
RETRY_SECONDS = 1.0
LEASE_KEY = 5_210_716
"""Key of the advisory lock that the publishing replica holds; any fixed number would do."""

BACKLOG = Gauge("atlas_outbox_backlog", "Rows not yet published, up to one batch.")
AGE = Gauge("atlas_outbox_age_seconds", "How long the oldest event has waited to be published; 0 where none waits.")


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One event to publish. The same change must always have the same ``message_id``."""

    message_id: str
    subject: str
    payload: str
    request_id: str = field(default_factory=context.current_request_id)
    """The id of the request that causes the event."""


ENQUEUE = """
INSERT INTO outbox (message_id, subject, payload, request_id)
SELECT message_id, subject, payload, request_id FROM ROWS FROM
    (json_to_recordset(%(messages)s) AS (message_id text, subject text, payload text, request_id text))
    WITH ORDINALITY AS t (message_id, subject, payload, request_id, number)
ORDER BY number
ON CONFLICT (message_id) DO NOTHING
"""
"""Inserts :func:`outbox_rows`, in their order; an event whose message id is in the table already is left out."""


def outbox_rows(messages: Sequence[OutboxMessage]) -> str:
    """The parameter ``messages`` of :data:`ENQUEUE`."""
    return as_json(
        [
            {"message_id": m.message_id, "subject": m.subject, "payload": m.payload, "request_id": m.request_id}
            for m in messages
        ]
    )


async def enqueue(connection: Connection, messages: Sequence[OutboxMessage]) -> None:
    """Insert events in the caller's transaction; one whose message id is in the table already is left out."""
    await connection.execute(ENQUEUE.encode(), {"messages": outbox_rows(messages)})


class Beside(Protocol):
    """What a service stores beside the events, for example the newest state of each user."""

    async def store(self, rows: Sequence[OutboxRow]) -> Sequence[BaseException | None]:
        """Store what these rows (in the order of their ids) say. One result per row: None, or why it isn't stored."""


class OutboxRelay:
    """Publishes a database's outbox to one stream. It runs in every replica; only the one with the lock publishes.

    With ``beside``, a row leaves the outbox once both its event and what is stored beside it are stored. A row whose
    subject isn't the stream's is for ``beside`` alone.
    """

    def __init__(self, database: Database, broker: Broker, stream: StreamSpec, *, beside: Beside | None = None) -> None:
        self._database, self._broker, self._stream, self._beside = database, broker, stream, beside
        self.leading = asyncio.Event()
        """Set while this replica is the one that publishes."""
        self.hand = HandedOver()
        self._delete_at, self._not_before = 0.0, 0.0
        self._at_once = AtOnce(broker, stream.name)
        self._events = tuple(subject.removesuffix(">") for subject in stream.subjects)

    async def run(self) -> None:
        """Publish until cancelled; while the database or broker is away, try again every ``RETRY_SECONDS``."""
        await self._database.migrated.wait()
        while True:
            try:
                async with await self._database.connect_alone("atlas-outbox") as connection:
                    await self._relay_while_connected(connection)
            except (psycopg.OperationalError, Unavailable, OSError) as error:
                log.warning("outbox.waiting", error=type(error).__name__)
            finally:
                self.leading.clear()
            await asyncio.sleep(RETRY_SECONDS)

    async def _relay_while_connected(self, connection: Connection) -> None:
        while not await _take_lease(connection):  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(RETRY_SECONDS)
        self.leading.set()
        connection.add_notify_handler(lambda _: self.hand.look())  # those that come with an answer
        await connection.execute("LISTEN outbox")
        try:
            while True:
                await self._go_on(connection)
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError, psycopg.Error):
                await asyncio.wait_for(self._delete(connection), DELETE_SECONDS)
            raise
        finally:
            self.hand.end()

    async def _go_on(self, connection: Connection) -> None:
        """Publish what was handed over, then read; with nothing to do, wait."""
        if (pause := self._not_before - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        if rows := self.hand.take(BATCH):
            await self._publish_handed(connection, rows)
        elif self.hand.must_read:
            await self._publish_batch(connection)
        elif not await _wait(connection, self.hand, DELETE_SECONDS if self.hand.published else IDLE_SECONDS):
            if self.hand.published:
                await self._delete(connection)
            else:
                self.hand.look()

    async def _publish_handed(self, connection: Connection, rows: Sequence[OutboxRow]) -> None:
        failures = await self._store(rows)
        if not self.hand.published:
            self._delete_at = time.monotonic() + DELETE_SECONDS
        self.hand.published += [row.id for row in rows if row.id not in failures]
        if failures or time.monotonic() >= self._delete_at:
            await self._delete(connection)
        if failures:
            raise next(iter(failures.values()))

    async def _publish_batch(self, connection: Connection) -> None:
        """Read the table, and publish what isn't published."""
        await self._delete(connection)
        self.hand.reads()
        cursor = await connection.execute(
            "SELECT id, message_id, subject, payload, request_id FROM outbox ORDER BY id LIMIT %s", (BATCH,)
        )
        rows = [OutboxRow(*row) for row in await cursor.fetchall()]
        BACKLOG.set(len(rows))
        self.hand.has_read(rows, all_of_them=len(rows) < BATCH)
        if not rows:
            return
        failures = await self._store(rows)
        self.hand.published += [row.id for row in rows if row.id not in failures]
        await self._delete(connection)
        if failures:
            raise next(iter(failures.values()))

    async def _delete(self, connection: Connection) -> None:
        if self.hand.published:
            await connection.execute("DELETE FROM outbox WHERE id = ANY(%s)", (self.hand.published,))
            self.hand.published.clear()

    async def _store(self, rows: Sequence[OutboxRow]) -> dict[int, BaseException]:
        """Events and what is stored beside them, at the same time. Returns what failed, by the row's id."""
        if len(rows) >= SMALLEST_BATCH:
            self._not_before = time.monotonic() + GATHER_SECONDS
        events = [row for row in rows if row.subject.startswith(self._events)]
        beside = self._beside.store(rows) if self._beside else _nothing(rows)
        published, stored = await asyncio.gather(self._publish(events), beside)
        results = [*zip(events, published, strict=True), *zip(rows, stored, strict=True)]
        return {row.id: result for row, result in results if isinstance(result, BaseException)}

    async def _publish(self, rows: Sequence[OutboxRow]) -> Sequence[BaseException | None]:
        """Publish events in the order of their rows. One result per row: None, or why it isn't stored."""
        messages, spans = [], []
        with contextlib.ExitStack() as stack:
            for row in rows:
                ids = row.ids
                spans.append(stack.enter_context(relaying(row.subject, ids)))
                headers = message_headers(row.message_id, self._stream, ids)
                messages.append((row.subject, headers, row.payload.encode()))
            told = await self._at_once.publish(messages)
            failures = [self._not_stored(row.subject, answer) for row, answer in zip(rows, told, strict=True)]
            for span, failure in zip(spans, failures, strict=True):
                if failure:
                    span.failed(type(failure).__name__)
        return failures

    def _not_stored(self, subject: str, told: Told) -> BrokerUnavailable | None:
        if isinstance(told, BrokerUnavailable):
            return told
        try:
            count_published(subject, self._broker.as_stored(subject, told))
        except BrokerUnavailable as error:
            return error
        return None


async def _nothing(rows: Sequence[OutboxRow]) -> Sequence[None]:
    return [None] * len(rows)


async def _take_lease(connection: Connection) -> bool:
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (LEASE_KEY,))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def _wait(connection: Connection, hand: HandedOver, seconds: float) -> bool:
    """Until rows are handed over or another process has written; False when ``seconds`` are over.

    Raises psycopg.OperationalError when the connection, and with it the lock, is lost.
    """
    loop, socket = asyncio.get_running_loop(), connection.fileno()
    loop.add_reader(socket, hand.look)
    try:
        changed = await hand.wait(seconds)
    finally:
        loop.remove_reader(socket)
    if hand.must_read:  # take the notification off, or else reading the table would meet it
        connection.pgconn.consume_input()
        while connection.pgconn.notifies():
            pass
    return changed


def outbox_age(database: Database) -> Callable[[], Awaitable[None]]:
    """The figure of how long the oldest row has waited; NaN while the database doesn't answer."""

    async def read() -> None:
        AGE.set(float("nan"))
        async with database.transaction() as connection:
            cursor = await connection.execute(
                "SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 FROM outbox ORDER BY id LIMIT 1"
            )
            row = await cursor.fetchone()
        AGE.set(max(0.0, row[0]) if row else 0.0)

    return read
