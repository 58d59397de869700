"""Compares the state bucket with the projection: which entries are missing, differ, or belong to nobody.

While the service works, an entry may be a moment behind the projection. So what differs is looked at again before it
counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from pydantic import ValidationError

from atlas_contracts.entitlements import EntitlementData
from atlas_contracts.republishing import StatesCompared
from atlas_contracts.streams import state_key
from atlas_kit.messaging.broker import Broker
from atlas_kit.storage.database import Connection
from entitlements.adapters import projected_states
from entitlements.adapters.state_bucket import BucketMissing, StateBucket
from entitlements.adapters.state_passes import bucket_entries
from entitlements.domain.projection import Entitlement
from entitlements.domain.state_entry import NEVER, Entry
from entitlements.use_cases.fold import data_of

WHOLE = 5_000
"""Up to so many users ``atlas doctor`` compares all, at 0.2 ms of processor time each; of more it compares a sample."""
SAMPLE = 1_000
READ_PAGE = 1_000
AT_ONCE = 100
LOOKS = 4
LOOK_SECONDS = 0.5
MOST_LOOKED_AT_AGAIN = 1_000
"""Where more differ, it is no moment's delay."""
SHOWN = 20

Fingerprint = int
Transaction = Callable[[], AbstractAsyncContextManager[Connection]]


@dataclass(slots=True)
class SeenEntry:
    """An entry, and what it says; None: no state."""

    entry: Entry = NEVER
    fingerprint: Fingerprint | None = None


def fingerprint_of(data: EntitlementData) -> Fingerprint:
    """Equal for equal states, with times as they are written, in milliseconds. The reason is left out: the same verdict
    may be worded anew without an event.
    """
    times = (
        at and at.replace(microsecond=at.microsecond // 1000 * 1000) for at in (data.active_from, data.active_until)
    )
    return hash(
        (data.user_id, data.product_key, data.is_pro, data.status, data.source, *times, data.version, data.caused_by)
    )


def seen(entry: Entry, value: bytes) -> SeenEntry:
    """An entry as it is compared."""
    try:
        return SeenEntry(entry, fingerprint_of(EntitlementData.model_validate_json(value)) if entry.holds else None)
    except ValidationError:
        return SeenEntry(entry)


def says(found: SeenEntry, row: Entitlement) -> bool:
    """Whether the entry says what the projection says."""
    return found.fingerprint == fingerprint_of(data_of(row))


async def all_seen(broker: Broker) -> dict[str, SeenEntry]:
    """The whole bucket by key. Raises BucketMissing, BrokerUnavailable."""
    return {key: seen(entry, value) async for key, entry, value in bucket_entries(broker)}


@dataclass(slots=True)
class _Suspects:
    """What differed at the first look."""

    missing: set[str] = field(default_factory=set)
    different: set[str] = field(default_factory=set)
    extra: set[str] = field(default_factory=set)
    """Keys; everything else are users."""


async def compare_states(
    transaction: Transaction, broker: Broker, bucket: StateBucket, *, whole: bool
) -> StatesCompared:
    """``whole``: also where there are so many users that it takes long. Raises BrokerUnavailable, psycopg errors or
    DatabaseUnavailable.
    """
    async with transaction() as connection:
        users = await projected_states.count_states(connection)
    try:
        if whole or users <= WHOLE:
            found = await _all(transaction, broker)
            compared, fewer = users, 0
        else:
            found, compared = await _sample(transaction, bucket, users)
            fewer = users - await bucket.size()
        await _look_again(transaction, bucket, found)
    except BucketMissing:
        return StatesCompared(bucket=False, users=users, compared=0)
    return StatesCompared(
        users=users,
        compared=compared,
        missing=max(len(found.missing), fewer),
        different=len(found.different),
        extra=len(found.extra),
        examples=sorted(found.missing | found.different)[:SHOWN],
    )


async def _all(transaction: Transaction, broker: Broker) -> _Suspects:
    found, entries = _Suspects(), await all_seen(broker)
    async for rows in _pages(transaction):
        for row in rows:
            _compare(found, row, entries.pop(state_key(row.user_id), SeenEntry()))
    found.extra = {key for key, left in entries.items() if left.entry.holds}
    return found


async def _pages(transaction: Transaction) -> AsyncIterator[list[Entitlement]]:
    after = ""
    while True:
        async with transaction() as connection:
            users = await projected_states.users_after(connection, after, READ_PAGE)
            rows = await projected_states.states_of(connection, users)
        if not users:
            return
        yield rows
        after = users[-1]


async def _sample(transaction: Transaction, bucket: StateBucket, users: int) -> tuple[_Suspects, int]:
    async with transaction() as connection:
        chosen = await projected_states.sampled_users(connection, 200 * SAMPLE / users, SAMPLE)
    found = _Suspects()
    await _look(transaction, bucket, chosen, found)
    return found, len(chosen)


async def _look(transaction: Transaction, bucket: StateBucket, users: Collection[str], found: _Suspects) -> None:
    """Compare these users, each entry read by itself."""
    wanted = sorted(users)
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        entries = await asyncio.gather(*(bucket.read_value(state_key(user)) for user in some))
        async with transaction() as connection:
            rows = {row.user_id: row for row in await projected_states.states_of(connection, some)}
        for user, (entry, value) in zip(some, entries, strict=True):
            if row := rows.get(user):
                _compare(found, row, seen(entry, value))
            elif entry.holds:  # forgotten since the first look: the outbox removes it
                found.extra.add(state_key(user))


def _compare(found: _Suspects, row: Entitlement, told: SeenEntry) -> None:
    if not told.entry.holds:
        found.missing.add(row.user_id)
    elif not says(told, row):
        found.different.add(row.user_id)


async def _look_again(transaction: Transaction, bucket: StateBucket, found: _Suspects) -> None:
    """Take out what was only a moment behind."""
    for _ in range(LOOKS):
        users, keys = found.missing | found.different, found.extra
        if not users | keys or len(users | keys) > MOST_LOOKED_AT_AGAIN:
            return
        await asyncio.sleep(LOOK_SECONDS)
        found.missing, found.different, found.extra = set(), set(), set()
        await _look(transaction, bucket, users, found)
        for key in keys:
            if (await bucket.read(key)).holds:
                found.extra.add(key)
