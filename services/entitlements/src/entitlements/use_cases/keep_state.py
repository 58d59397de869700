"""Beside the announcements: what each outbox row means for the user's entry in the state bucket."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence

from pydantic_core import from_json, to_json

from atlas_contracts.entitlements import EntitlementData
from atlas_contracts.streams import STATE_BUCKET, state_key, state_subject
from atlas_contracts.user_id import FORGOTTEN
from atlas_kit.messaging.handed_over import OutboxRow
from atlas_kit.messaging.outbox import OutboxMessage
from atlas_kit.storage.database import Database, fetch_one
from entitlements.adapters.state_bucket import StateBucket
from entitlements.domain.state_entry import Word, last_words

_OF_BUCKET = f"$KV.{STATE_BUCKET}."
LOOK_SECONDS = 0.05


class StateKeeper:
    """Writes the bucket for the outbox's relay (``atlas_kit.messaging.outbox.Beside``)."""

    def __init__(self, bucket: StateBucket) -> None:
        self._bucket = bucket

    async def store(self, rows: Sequence[OutboxRow]) -> Sequence[BaseException | None]:
        """Write each key's last word. A row is stored when its key's last word is."""
        words = [word_of(row) for row in rows]
        writes = last_words(word for word in words if word)
        results = await self._bucket.store_all(list(writes.values()))
        failed = dict(zip(writes, results, strict=True))
        return [failed[word.key] if word else None for word in words]


def word_of(row: OutboxRow) -> Word | None:
    """What a row says about an entry. None for events about the alias of a forgotten user: nobody may ask for it."""
    payload = from_json(row.payload)
    if row.subject.startswith(_OF_BUCKET):
        return Word(row.id, row.subject.removeprefix(_OF_BUCKET), leaves_mark=bool(payload.get("known")))
    data = payload["data"]
    user = str(data["userId"])
    if user.startswith(FORGOTTEN):
        return None
    return Word(row.id, state_key(user), entry_value(data), int(data["version"]))


def entry_value(data: EntitlementData | dict[str, object]) -> bytes:
    """The value of an entry: the event's ``data`` as JSON."""
    if isinstance(data, EntitlementData):
        return data.model_dump_json(by_alias=True).encode()
    return to_json(data)


def removal(user_id: str, *, known: bool) -> OutboxMessage:
    """The outbox row that removes a forgotten user's entry; nothing in it names the user.

    ``known``: the projection had a row of the user, so the relay may hold an event about them at this moment.
    """
    key = state_key(user_id)
    return OutboxMessage(f"state:{key}:{secrets.token_hex(8)}", state_subject(key), json.dumps({"known": known}))


async def has_left_outbox(database: Database, message_id: str, seconds: float) -> bool:
    """Wait up to ``seconds`` until the relay has stored what a row says. Raises DatabaseUnavailable."""
    try:
        async with asyncio.timeout(seconds):
            while await _waits(database, message_id):  # noqa: ASYNC110 - any replica's relay may store it
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        return False
    return True


async def _waits(database: Database, message_id: str) -> bool:
    async with database.transaction() as connection:
        return await fetch_one(connection, "SELECT 1 FROM outbox WHERE message_id = %s", message_id) is not None
