"""The outbox: events are inserted into a table in the transaction that causes them, and published afterwards.

A row is deleted only after the broker has stored its event. If the process dies in between, the event is published
again with the same message id, and the broker drops it as a duplicate. Every service with an outbox has
:data:`CREATE_OUTBOX` in its first migration.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import psycopg
from prometheus_client import Gauge

from atlas_contracts.streams import StreamSpec
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.broker import Broker
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

BATCH = 256
"""Rows read and published together."""
IDLE_SECONDS = 1.0
"""Pause between two looks into the table without a notification, which can be lost with a connection."""
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


class OutboxRow(NamedTuple):
    """A row as the relay reads it. Later rows have greater ids where the writers' transactions exclude each other."""

    id: int
    message_id: str
    subject: str
    payload: str
    request_id: str | None


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
        await connection.execute("LISTEN outbox")
        while True:
            if await self._publish_batch(connection) < BATCH:
                await _wait_for_insert(connection)

    async def _publish_batch(self, connection: Connection) -> int:
        cursor = await connection.execute(
            "SELECT id, message_id, subject, payload, request_id FROM outbox ORDER BY id LIMIT %s", (BATCH,)
        )
        rows = [OutboxRow(*row) for row in await cursor.fetchall()]
        BACKLOG.set(len(rows))
        if not rows:
            return 0
        failures = await self._store(rows)
        stored = [row.id for row in rows if row.id not in failures]
        await connection.execute("DELETE FROM outbox WHERE id = ANY(%s)", (stored,))
        if failures:
            raise next(iter(failures.values()))
        return len(rows)

    async def _store(self, rows: Sequence[OutboxRow]) -> dict[int, BaseException]:
        """Events and what is stored beside them, at the same time. Returns what failed, by the row's id."""
        events = [row for row in rows if row.subject.startswith(self._events)]
        beside = self._beside.store(rows) if self._beside else _nothing(rows)
        published, stored = await asyncio.gather(
            asyncio.gather(*(self._publish(*row[1:]) for row in events), return_exceptions=True), beside
        )
        results = [*zip(events, published, strict=True), *zip(rows, stored, strict=True)]
        return {row.id: result for row, result in results if isinstance(result, BaseException)}

    async def _publish(self, message_id: str, subject: str, payload: str, request_id: str | None) -> None:
        # The header has the span in which the event was made, as the event's member has it.
        event = json.loads(payload)
        ids = context.Ids(
            context.accept_request_id(request_id, event.get("requestid")),
            context.accept_traceparent(event.get("traceparent")),
        )
        with context.carrying(ids), relaying(subject, ids):
            await self._broker.publish(subject, payload.encode(), message_id, stream=self._stream)


async def _nothing(rows: Sequence[OutboxRow]) -> Sequence[None]:
    return [None] * len(rows)


async def _take_lease(connection: Connection) -> bool:
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (LEASE_KEY,))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def _wait_for_insert(connection: Connection) -> None:
    with contextlib.suppress(TimeoutError):
        async for _ in connection.notifies(timeout=IDLE_SECONDS, stop_after=1):
            pass


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
