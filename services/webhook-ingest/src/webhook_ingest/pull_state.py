"""What the pull remembers, in a JetStream key-value bucket: its cursor, and which replica pulls."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from typing import Any

import nats.errors
import nats.js.errors
from nats.js.api import KeyValueConfig, StorageType
from nats.js.kv import KeyValue

from atlas_contracts.streams import INGEST_BUCKET
from atlas_contracts.stripe_mapping import SUPPORTED_EVENT_TYPES
from atlas_kit.messaging import Broker, BrokerUnavailable

LEASE_KEY = "pull-lease"
LEASE_SECONDS = 60
"""How long a dead replica blocks the others; the holder renews it with every window it reads."""

SKEW_SECONDS = 60
"""How far the replicas' clocks may differ before two of them pull at once (which costs calls, and changes nothing)."""

_BROKER_ERRORS = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)


def cursor_key(types: Sequence[str]) -> str:
    """A cursor is good for the types it was made with.

    A version that supports others begins anew, where Stripe's list begins: what older replicas ignored or passed over
    is found (docs/decisions/0010).
    """
    return f"pull-cursor-{hashlib.sha256(' '.join(sorted(types)).encode()).hexdigest()[:8]}"


class PullState:
    """Cursor and lease. Every method raises BrokerUnavailable when the broker doesn't answer."""

    def __init__(self, broker: Broker, replicas: int, types: Sequence[str] = SUPPORTED_EVENT_TYPES) -> None:
        self._broker, self._replicas = broker, replicas
        self._cursor_key = cursor_key(types)
        self._bucket: KeyValue | None = None
        self._owner = secrets.token_hex(8)
        self.known: int | None = None
        """The cursor when this replica last looked."""

    async def cursor(self) -> int | None:
        """The instant (seconds since 1970) up to which every event is known to be published; None before any pull."""
        entry = await self._get(self._cursor_key)
        self.known = int(entry[0]["until"]) if entry else None
        return self.known

    async def advance(self, until: int) -> None:
        """Move the cursor forward; it never goes back."""
        entry = await self._get(self._cursor_key)
        behind = entry is None or int(entry[0]["until"]) < until
        if behind and await self._put(self._cursor_key, {"until": until}, entry[1] if entry else None):
            self.known = until

    async def take_lease(self) -> bool:
        """Whether this replica may pull for the next LEASE_SECONDS; call it again to keep it."""
        entry = await self._get(LEASE_KEY)
        now = time.time()
        # Nobody may hold it for longer: a clock that was ahead wrote that, and its replica may be dead.
        held = entry and now < float(entry[0]["until"]) <= now + LEASE_SECONDS + SKEW_SECONDS
        if entry and held and entry[0]["owner"] != self._owner:
            return False
        return await self._put(
            LEASE_KEY, {"owner": self._owner, "until": now + LEASE_SECONDS}, entry[1] if entry else None
        )

    async def release_lease(self) -> None:
        entry = await self._get(LEASE_KEY)
        if entry and entry[0]["owner"] == self._owner:
            await self._put(LEASE_KEY, {"owner": self._owner, "until": 0}, entry[1])

    async def _get(self, key: str) -> tuple[dict[str, Any], int] | None:
        try:
            entry = await (await self._opened()).get(key)
        except nats.js.errors.KeyNotFoundError:
            return None
        except _BROKER_ERRORS as error:
            raise BrokerUnavailable from error
        return json.loads(entry.value or b"{}"), entry.revision or 0

    async def _put(self, key: str, value: dict[str, Any], revision: int | None) -> bool:
        """Compare and set; False when another replica was faster."""
        bucket = await self._opened()
        try:
            await bucket.update(key, json.dumps(value).encode(), last=revision or 0)
        except nats.js.errors.KeyWrongLastSequenceError:
            return False
        except _BROKER_ERRORS as error:
            raise BrokerUnavailable from error
        return True

    async def _opened(self) -> KeyValue:
        """The bucket, created where it is missing."""
        if self._bucket is None:
            jetstream = self._broker.jetstream
            try:
                self._bucket = await jetstream.key_value(INGEST_BUCKET)
            except nats.js.errors.NotFoundError:
                config = KeyValueConfig(
                    bucket=INGEST_BUCKET, history=1, storage=StorageType.FILE, replicas=self._replicas
                )
                self._bucket = await jetstream.create_key_value(config)
            except _BROKER_ERRORS as error:
                raise BrokerUnavailable from error
        return self._bucket
