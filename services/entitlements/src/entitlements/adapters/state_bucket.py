"""The bucket with every user's newest state: entries are written by compare-and-set on the broker's revision."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import nats.errors
import nats.js.errors

from atlas_contracts.streams import STATE, state_subject
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.broker import PUBLISH_SECONDS, Broker, BrokerUnavailable
from atlas_kit.messaging.declaring import declare_stream
from atlas_kit.process.logs import get_logger
from entitlements.domain.state_entry import NEVER, Entry, Write

log = get_logger()
T = TypeVar("T")

ROW_HEADER = "Atlas-Outbox-Row"
"""Names the outbox row for which an entry was written."""
ROW_DIGITS = 19
"""Of a number with 63 bits; what is longer isn't ours."""
REMOVED = {"KV-Operation": "DEL"}
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
        last = write.last
        headers = {
            "Nats-Expected-Stream": STATE.name,
            "Nats-Expected-Last-Subject-Sequence": str(revision),
            ROW_HEADER: str(last.row),
            **({} if last.value is not None else REMOVED),
        }
        subject = state_subject(last.key)
        try:
            answer = await self._broker.client.request(
                subject, last.value or b"", timeout=PUBLISH_SECONDS, headers=headers
            )
            told: dict[str, Any] = json.loads(answer.data)
        except nats.errors.NoRespondersError as error:
            raise BucketMissing from error
        except _BROKER_ERRORS as error:
            raise BrokerUnavailable from error
        if (told.get("error") or {}).get("err_code") == WRONG_REVISION:
            return None
        if "seq" not in told or "error" in told:
            log.warning("broker.refused", stream=STATE.name, error=told.get("error"))
            raise BrokerUnavailable
        return int(told["seq"])

    async def _store(self, write: Write) -> None:
        key = write.last.key
        # A new user's first entry is written without reading: the broker refuses it if there is one.
        entry = self._known.get(key) or (NEVER if write.begins else await self.read(key))
        for _ in range(TRIES):
            if not write.replaces(entry):
                self._remember(key, entry)
                return
            revision = await self.replace(write, entry.revision)
            if revision is not None:
                self._remember(key, write.entry(revision))
                return
            entry = await self.read(key)
        raise BrokerUnavailable

    def _remember(self, key: str, entry: Entry) -> None:
        self._known[key] = entry
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


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
