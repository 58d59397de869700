"""The service's key-value bucket in the broker: small JSON values of all replicas, written by compare-and-set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import nats.errors
import nats.js.errors
from nats.js.api import KeyValueConfig, StorageType
from nats.js.kv import KeyValue

from atlas_contracts.streams import INGEST_BUCKET
from atlas_kit.messaging.broker import Broker, BrokerUnavailable

_BROKER_ERRORS = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class BucketEntry:
    """A key's value (None where there is none) and the revision that the next write must name.

    A deleted key has no value but still a revision: that of the marker which the broker stored for the deletion.
    """

    value: dict[str, Any] | None
    revision: int


class Bucket:
    """Every method raises BrokerUnavailable when the broker doesn't answer."""

    def __init__(self, broker: Broker, replicas: int) -> None:
        self._broker, self._replicas = broker, replicas
        self._opened: KeyValue | None = None

    async def get(self, key: str) -> BucketEntry:
        try:
            entry = await (await self._bucket()).get(key)
        except nats.js.errors.KeyNotFoundError as missing:
            mark = missing.entry  # the marker of a deletion, if there was one
            return BucketEntry(None, mark.revision if mark and mark.revision else 0)
        except _BROKER_ERRORS as error:
            raise BrokerUnavailable from error
        return BucketEntry(json.loads(entry.value or b"{}"), entry.revision or 0)

    async def put(self, key: str, value: dict[str, Any], revision: int) -> bool:
        """Write ``value`` if the key's newest revision is ``revision``; False when another replica wrote meanwhile."""
        try:
            await (await self._bucket()).update(key, json.dumps(value).encode(), last=revision)
        except nats.js.errors.KeyWrongLastSequenceError:
            return False
        except _BROKER_ERRORS as error:
            raise BrokerUnavailable from error
        return True

    async def _bucket(self) -> KeyValue:
        """The bucket; it is created if it is missing."""
        if self._opened is None:
            jetstream = self._broker.jetstream
            try:
                self._opened = await jetstream.key_value(INGEST_BUCKET)
            except nats.js.errors.NotFoundError:
                config = KeyValueConfig(
                    bucket=INGEST_BUCKET, history=1, storage=StorageType.FILE, replicas=self._replicas
                )
                self._opened = await jetstream.create_key_value(config)
            except _BROKER_ERRORS as error:
                raise BrokerUnavailable from error
        return self._opened
