"""What ``python -m entitlements`` does once, with the broker, and ends: its output is NDJSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, redirect_stdout
from typing import Any

import psycopg
from psycopg import AsyncConnection

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
from atlas_contracts.streams import ENTITLEMENTS
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.broker import Broker, BrokerUnavailable
from atlas_kit.process import logs
from atlas_kit.storage.database import Connection
from entitlements.adapters.state_bucket import StateBucket
from entitlements.settings import EntitlementsSettings
from entitlements.use_cases.compare_states import compare_states
from entitlements.use_cases.republish import AlreadyRunning, Republisher

CONNECT_SECONDS = 10.0
NO_BROKER = "The broker does not answer. What was written stays; run it again once the broker is up."
NO_DATABASE = "The database does not answer. What was written stays; run it again once the database is up."


async def republish(settings: EntitlementsSettings, options: Sequence[str]) -> int:
    """``[--user U] [--entries-only]``. Returns the exit code: 1 after an error, which is the last line."""
    user = options[1] if options[:1] == ["--user"] else None
    try:
        async with _connected(settings) as broker, _autocommitting(settings) as connection:
            bucket = StateBucket(broker, settings.nats_stream_replicas)
            [stream] = settings.kept(ENTITLEMENTS)
            run = Republisher(connection, broker, bucket, stream=stream)
            entries_only = "--entries-only" in options
            done = await (run.one(user, _progress) if user else run.everybody(_progress, announce=not entries_only))
    except AlreadyRunning as error:
        return _failed(str(error))
    except Unavailable:
        return _failed(NO_BROKER)
    except psycopg.OperationalError:
        return _failed(NO_DATABASE)
    _say({"result": done.model_dump(by_alias=True)})
    return 0


async def compared(settings: EntitlementsSettings) -> dict[str, Any]:
    """The bucket compared with the projection; ``error`` where the broker doesn't answer."""

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Connection]:
        async with await AsyncConnection.connect(settings.database_url.get_secret_value()) as connection:
            yield connection

    try:
        async with _connected(settings) as broker:
            bucket = StateBucket(broker, settings.nats_stream_replicas)
            found = await compare_states(transaction, broker, bucket, whole=True)
    except Unavailable:
        return {"error": "the broker does not answer"}
    return {**found.model_dump(by_alias=True), "right": found.right}


@asynccontextmanager
async def _connected(settings: EntitlementsSettings) -> AsyncIterator[Broker]:
    """A connection that declares nothing. Raises BrokerUnavailable."""
    with redirect_stdout(sys.stderr):  # the standard output is the answer
        logs.configure(ENTITLEMENTS_SERVICE, settings.log_level)
    broker = Broker(settings.nats_url, ENTITLEMENTS_SERVICE, inbox_prefix=settings.nats_inbox_prefix)
    await broker.start()
    try:
        try:
            await asyncio.wait_for(broker.connected.wait(), CONNECT_SECONDS)
        except TimeoutError as error:
            raise BrokerUnavailable from error
        yield broker
    finally:
        await broker.close()


def _autocommitting(settings: EntitlementsSettings) -> Any:
    @asynccontextmanager
    async def connected() -> AsyncIterator[Connection]:
        async with await AsyncConnection.connect(
            settings.database_url.get_secret_value(), autocommit=True
        ) as connection:
            yield connection

    return connected()


def _progress(done: int, total: int) -> None:
    _say({"done": done, "total": total})


def _failed(message: str) -> int:
    _say({"error": message})
    return 1


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)
