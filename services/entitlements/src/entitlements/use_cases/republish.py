"""Writes the state bucket and missing announcements again from the projection; what is right is left alone.

It runs beside the outbox's relay, which writes the same entries. An entry is read first, then the projection, under the
fold's lock, and the entry is replaced only if nobody has written it since: so what is written is never older than what
was there. It carries the id that the next outbox row would have had: older rows that come late stay out, later rows
replace it. Whatever stops it in the middle, running it again goes on.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from atlas_contracts.entitlements import EntitlementEvent, EntitlementType
from atlas_contracts.republishing import Republished
from atlas_contracts.streams import ENTITLEMENTS, StreamSpec, entitlement_subject, state_key
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.declaring import declare_stream
from atlas_kit.messaging.events import encode, entitlement_event
from atlas_kit.storage.database import Connection
from entitlements.adapters import ledger, projected_states
from entitlements.adapters.state_bucket import StateBucket
from entitlements.adapters.state_passes import AGAIN, announced_ids
from entitlements.domain.projection import Entitlement
from entitlements.domain.state_entry import Word, Write
from entitlements.use_cases.compare_states import SeenEntry, all_seen, says, seen
from entitlements.use_cases.fold import data_of
from entitlements.use_cases.keep_state import entry_value

TRIES = 20
"""How often an entry is tried that somebody else writes at the same time."""

Progress = Callable[[int, int], None]


class AlreadyRunning(Unavailable):
    """Another republication is running."""

    default_message = "The states are being republished already; wait until that has ended."


class Republisher:
    """One run. ``connection`` is in autocommit mode; it holds the lock by which there is one run at a time."""

    def __init__(
        self, connection: Connection, broker: Broker, bucket: StateBucket, *, stream: StreamSpec = ENTITLEMENTS
    ) -> None:
        self._connection, self._broker, self._bucket, self._stream = connection, broker, bucket, stream
        self._done: Counter[str] = Counter()
        self._held: set[str] | None = None
        """Ids of the announcements that the stream holds; None: announcements are left alone."""

    async def everybody(self, progress: Progress, *, announce: bool = True) -> Republished:
        """Raises AlreadyRunning, BrokerUnavailable, psycopg.Error."""
        total, after = await projected_states.count_states(self._connection), ""
        progress(0, total)
        made = await self._begin(lambda: progress(0, total), announce=announce)
        entries = await all_seen(self._broker)
        progress(0, total)
        while users := await projected_states.users_after(self._connection, after):
            await self._put_right(users, entries)
            after = users[-1]
            progress(self._done["users"], max(total, self._done["users"]))
        await self._remove({key: left for key, left in entries.items() if left.entry.holds})
        await projected_states.mark_filled(self._connection, made)
        return self._result()

    async def one(self, user_id: str, progress: Progress) -> Republished:
        """The same for one user."""
        await self._begin(lambda: progress(0, 1), announce=True)
        key = state_key(user_id)
        entries = {key: seen(*await self._bucket.read_value(key))}
        await self._put_right([user_id], entries)
        await self._remove({key: left for key, left in entries.items() if left.entry.holds})
        return self._result()

    def _result(self) -> Republished:
        return Republished(**self._done)

    async def _begin(self, tick: Callable[[], None], *, announce: bool) -> str:
        """Make what is missing at the broker. Returns when the bucket was made, which tells one bucket from another.

        ``tick`` is called while the announcements are read: whoever waits for the answer hears that it goes on.
        """
        if not await projected_states.take_lock(self._connection):
            raise AlreadyRunning
        made = await self._bucket.declare()
        if announce:
            await self._bucket.guarded(declare_stream(self._broker.jetstream, self._stream, self._bucket.replicas))
            self._held = await announced_ids(self._broker, tick)
        return made

    async def _put_right(self, users: Sequence[str], entries: dict[str, SeenEntry]) -> None:
        """Entries and announcements of these users; what is looked at is taken out of ``entries``."""
        waiting = list(users)
        for attempt in range(TRIES):
            rows, number, queued = await self._read(waiting)
            if not attempt:
                self._done["users"] += len(rows)
                await self._announce(rows, queued)
            told = {row.user_id: entries.pop(state_key(row.user_id), SeenEntry()) for row in rows}
            wrong = [row for row in rows if not says(told[row.user_id], row)]
            written = await asyncio.gather(*(self._write(row, number, told[row.user_id]) for row in wrong))
            self._done["written"] += sum(written)
            waiting = [row.user_id for row, done in zip(wrong, written, strict=True) if not done]
            if not waiting:
                return
            for user in waiting:
                entries[state_key(user)] = seen(*await self._bucket.read_value(state_key(user)))
        raise Unavailable

    async def _read(self, users: Sequence[str]) -> tuple[list[Entitlement], int, set[str]]:
        """The users' rows, an id for what is written of them, and which of their announcements are under way."""
        async with self._connection.transaction():
            await ledger.lock_fold(self._connection)
            rows = await projected_states.states_of(self._connection, users)
            number = await projected_states.next_row(self._connection)
            ids = [_event(row).id for row in rows] if self._held is not None else []
            return rows, number, await projected_states.waiting_in_outbox(self._connection, ids)

    async def _write(self, row: Entitlement, number: int, told: SeenEntry) -> bool:
        word = Word(number, state_key(row.user_id), entry_value(data_of(row)), row.version)
        return await self._bucket.replace(Write(word), told.entry.revision) is not None

    async def _remove(self, entries: Mapping[str, SeenEntry]) -> None:
        """Entries of nobody. One that was written since it was read is somebody's."""
        if not entries:
            return
        async with self._connection.transaction():
            await ledger.lock_fold(self._connection)
            number = await projected_states.next_row(self._connection)
        for key, told in entries.items():
            removed = await self._bucket.replace(Write(Word(number, key)), told.entry.revision)
            self._done["removed"] += removed is not None

    async def _announce(self, rows: Sequence[Entitlement], queued: set[str]) -> None:
        if self._held is not None:
            missing = [row for row in rows if _event(row).id not in self._held | queued]
            self._done["announced"] += sum(await asyncio.gather(*(self._announce_one(row) for row in missing)))

    async def _announce_one(self, row: Entitlement) -> bool:
        """Whether the announcement was stored. The stream may remember an id whose message is gone: then another id."""
        event = _event(row)
        subject, payload = entitlement_subject(EntitlementType.UPDATED), encode(event)
        stored = await self._broker.publish(subject, payload, event.id, stream=self._stream)
        if stored.duplicate:
            info = await self._bucket.guarded(self._broker.jetstream.stream_info(self._stream.name))
            if stored.sequence >= info.state.first_seq:
                return False  # published since the stream was read
            message_id = f"{AGAIN}{secrets.token_hex(4)}:{event.id}"
            await self._broker.publish(subject, payload, message_id, stream=self._stream)
        return True


def _event(row: Entitlement) -> EntitlementEvent:
    """The announcement of the present state. Whether Pro was just given or taken isn't known any more: "updated"."""
    assert row.updated_at
    return entitlement_event(data_of(row), EntitlementType.UPDATED, row.updated_at)
