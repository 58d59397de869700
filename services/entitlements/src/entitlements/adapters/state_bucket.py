"""The bucket with every user's newest state: entries are written by compare-and-set on the broker's revision."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

import nats.errors
import nats.js.errors

from atlas_contracts.streams import STATE, state_subject
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.asking import Message
from atlas_kit.messaging.at_once import AtOnce, Told
from atlas_kit.messaging.broker import Broker, BrokerUnavailable, NobodyStores
from atlas_kit.messaging.declaring import declare_stream
from atlas_kit.process.logs import get_logger
from entitlements.domain.state_entry import NEVER, Entry, Write

log = get_logger()
T = TypeVar("T")

ROW_HEADER = "Atlas-Outbox-Row"
"""Names the outbox row for which an entry was written."""
ROW_DIGITS = 19
"""Of a number with 63 bits; what is longer isn't ours."""
REMOVED = b"KV-Operation: DEL\r\n"
"""The header by which every client of key-value buckets knows the marker of a removal."""
TRIES = 10
"""How often a write is tried when others write the same entry; there are two writers at most."""
REMEMBERED = 10_000
"""Entries whose revision is kept in memory, of some 200 bytes each: they are replaced without reading them first."""
NO_MESSAGE = 10037
"""JetStream's error code for a subject without a message."""
WRONG_REVISION = 10071
"""JetStream's error code for a revision that isn't the newest."""
_BROKER_ERRORS = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError, ValueError)


class BucketMissing(Unavailable):
    """The bucket was deleted."""


class StateBucket:
    """Every method raises BrokerUnavailable when the broker doesn't answer."""

    def __init__(self, broker: Broker, replicas: int) -> None:
        self._broker, self.replicas = broker, replicas
        self._known: OrderedDict[str, Entry] = OrderedDict()
        self._at_once = AtOnce(broker, STATE.name)
        self.made_anew = asyncio.Event()
        """Set when :meth:`store` found no bucket and made one, in which all other entries are missing."""

    async def store(self, write: Write) -> None:
        """Bring the entry to what ``write`` says, unless it is further already. A missing bucket is made anew."""
        try:
            await self._store(write)
        except BucketMissing:
            await self.declare()
            self.made_anew.set()
            await self._store(write)

    async def store_all(self, writes: Sequence[Write]) -> Sequence[BaseException | None]:
        """:meth:`store` for many keys: in one go where the entry that is replaced is known, as it is for nearly all.

        One result per write: None, or why it isn't stored.
        """
        failed: dict[str, BaseException | None] = {}
        ready, doubtful = [], []
        for write in writes:
            entry = self._entry_before(write)
            if entry is None:
                doubtful.append(write)
            elif write.replaces(entry):
                ready.append((write, entry.revision))
        told = await self._at_once.publish([_message(*one) for one in ready])
        for (write, _), answer in zip(ready, told, strict=True):
            try:
                if self._written(write, answer) is None:
                    doubtful.append(write)
            except BucketMissing:
                doubtful.append(write)
            except BrokerUnavailable as error:
                failed[write.last.key] = error
        stored = await asyncio.gather(*(self.store(write) for write in doubtful), return_exceptions=True)
        failed.update(zip((write.last.key for write in doubtful), stored, strict=True))
        return [failed.get(write.last.key) for write in writes]

    async def declare(self) -> str:
        """Make the bucket if it is missing. Returns when it was made, which tells one bucket from another."""
        jetstream = self._broker.jetstream
        await self.guarded(declare_stream(jetstream, STATE, self.replicas))
        info = await self.guarded(jetstream.stream_info(STATE.name))
        return info.created.isoformat() if info.created else ""

    async def size(self) -> int:
        """How many keys there are, markers of removals among them. Raises BucketMissing."""
        try:
            return int((await self._broker.jetstream.stream_info(STATE.name)).state.messages)
        except nats.js.errors.NotFoundError as error:
            raise BucketMissing from error
        except _BROKER_ERRORS as error:
            raise BrokerUnavailable from error

    async def read(self, key: str) -> Entry:
        """What is under ``key``. Raises BucketMissing."""
        return (await self.read_value(key))[0]

    async def read_value(self, key: str) -> tuple[Entry, bytes]:
        """The same with its value. Raises BucketMissing."""
        try:
            found = await self._broker.jetstream.get_msg(STATE.name, subject=state_subject(key))
        except nats.js.errors.NotFoundError as error:
            if error.err_code == NO_MESSAGE:
                return NEVER, b""
            raise BucketMissing from error
        except _BROKER_ERRORS as error:
            raise BrokerUnavailable from error
        value = found.data or b""
        return entry_of(found.seq or 0, found.headers or {}, value), value

    async def guarded(self, call: Awaitable[T]) -> T:
        """The result of a call to the broker; whatever is wrong with the broker becomes BrokerUnavailable."""
        try:
            return await call
        except _BROKER_ERRORS as error:
            raise BrokerUnavailable from error

    async def replace(self, write: Write, revision: int) -> int | None:
        """Write if the entry's revision is ``revision`` still. Returns the new one, None if somebody else wrote.

        Raises BucketMissing.
        """
        (told,) = await self._at_once.publish([_message(write, revision)])
        return self._written(write, told)

    def _written(self, write: Write, told: Told) -> int | None:
        """What the broker says of a write: the new revision, None if somebody else wrote. Raises as :meth:`replace`."""
        if isinstance(told, NobodyStores):
            raise BucketMissing from told
        if isinstance(told, BrokerUnavailable):
            raise told
        if (told.get("error") or {}).get("err_code") == WRONG_REVISION:
            return None
        if "error" in told:
            log.warning("broker.refused", stream=STATE.name, error=told["error"])
            raise BrokerUnavailable
        revision = int(told["seq"])
        self._remember(write.last.key, write.entry(revision))
        return revision

    def _entry_before(self, write: Write) -> Entry | None:
        """The entry that is there, as far as it is known without reading it."""
        # A new user's first entry is written without reading: the broker refuses it if there is one.
        return self._known.get(write.last.key) or (NEVER if write.begins else None)

    async def _store(self, write: Write) -> None:
        key = write.last.key
        entry = self._entry_before(write) or await self.read(key)
        for _ in range(TRIES):
            if not write.replaces(entry):
                self._remember(key, entry)
                return
            if await self.replace(write, entry.revision) is not None:
                return
            entry = await self.read(key)
        raise BrokerUnavailable

    def _remember(self, key: str, entry: Entry) -> None:
        self._known[key] = entry
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _message(write: Write, revision: int) -> Message:
    """The message that replaces the entry of this revision, and is refused where there is another one."""
    last = write.last
    headers = (
        f"Nats-Expected-Stream: {STATE.name}\r\nNats-Expected-Last-Subject-Sequence: {revision}\r\n"
        f"{ROW_HEADER}: {last.row}\r\n"
    ).encode()
    if last.value is None:
        return state_subject(last.key), headers + REMOVED, b""
    return state_subject(last.key), headers, last.value


def entry_of(revision: int, headers: Mapping[str, str], value: bytes) -> Entry:
    """A message of the bucket as an entry, whoever wrote it."""
    row = headers.get(ROW_HEADER, "")
    number = int(row) if row.isascii() and row.isdigit() and len(row) <= ROW_DIGITS else None
    if "KV-Operation" in headers:
        return Entry(revision, number)
    try:
        version = json.loads(value)["version"]
    except (ValueError, LookupError, TypeError, RecursionError):
        version = 0
    return Entry(revision, number, version if type(version) is int else 0, holds=True)
