"""Reads all of the state bucket, and the ids of all announcements that the stream holds: one pass each."""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator, Callable

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from atlas_contracts.streams import ENTITLEMENTS, REPUBLISHER_CONSUMER, STATE, StreamSpec, state_subject
from atlas_kit.messaging.broker import Broker, BrokerUnavailable
from entitlements.adapters.state_bucket import BucketMissing, entry_of
from entitlements.domain.state_entry import Entry

BATCH = 1_000
"""Messages per request."""
TICK = 20_000
FETCH_SECONDS = 10.0
IDLE_SECONDS = 60.0
"""After this time the broker drops the consumer of a pass whose process was killed."""
AGAIN = "republish:"
"""``republish:<random>:<event id>`` is the message id of an announcement whose own id the broker still remembers, while
the message itself is gone."""
_BROKER_ERRORS = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)


async def bucket_entries(broker: Broker) -> AsyncIterator[tuple[str, Entry, bytes]]:
    """Every key of the bucket, markers of removals among them. Raises BucketMissing, BrokerUnavailable."""
    prefix = len(state_subject(""))
    try:
        async for message in _messages(broker, STATE, f"entitlements-{secrets.token_hex(8)}"):
            revision = message.metadata.sequence.stream
            yield message.subject[prefix:], entry_of(revision, message.headers or {}, message.data), message.data
    except nats.js.errors.NotFoundError as error:
        raise BucketMissing from error


async def announced_ids(broker: Broker, tick: Callable[[], None]) -> set[str]:
    """The event ids of all announcements that the stream holds, by their message ids. Raises BrokerUnavailable.

    ``tick`` is called every ``TICK`` messages.

    The consumer has a fixed name, because the service may read this stream by no other: one pass at a time.
    """
    with contextlib.suppress(nats.js.errors.NotFoundError, *_BROKER_ERRORS):
        await broker.jetstream.delete_consumer(ENTITLEMENTS.name, REPUBLISHER_CONSUMER)
    found, ticks = set(), itertools.count(1)
    async for message in _messages(broker, ENTITLEMENTS, REPUBLISHER_CONSUMER, headers_only=True):
        if next(ticks) % TICK == 0:
            tick()
        told = (message.headers or {}).get("Nats-Msg-Id", "")
        found.add(told.split(":", 2)[2] if told.startswith(AGAIN) else told)
    return found


async def _messages(broker: Broker, stream: StreamSpec, name: str, *, headers_only: bool = False) -> AsyncIterator[Msg]:
    """Every message that the stream holds now, oldest first, by a consumer that is made for this pass."""
    try:
        jetstream = broker.jetstream
        last = (await jetstream.stream_info(stream.name)).state.last_seq
        config = ConsumerConfig(
            name=name,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=IDLE_SECONDS,
            mem_storage=True,
            headers_only=headers_only,
        )
        waiting = (await jetstream.add_consumer(stream.name, config)).num_pending or 0
        async for message in _fetched(jetstream, stream, name, waiting, last):
            yield message
    except nats.js.errors.NotFoundError:
        raise
    except _BROKER_ERRORS as error:
        raise BrokerUnavailable from error


async def _fetched(
    jetstream: JetStreamContext, stream: StreamSpec, name: str, waiting: int, last: int
) -> AsyncIterator[Msg]:
    subscription = await jetstream.pull_subscribe_bind(name, stream.name)
    try:
        while waiting:
            try:
                batch = await subscription.fetch(BATCH, timeout=FETCH_SECONDS)
            except nats.errors.TimeoutError:  # what was waiting has been replaced by newer messages, or removed
                waiting = (await jetstream.consumer_info(stream.name, name)).num_pending or 0
                continue
            for message in batch:
                yield message
            told = batch[-1].metadata
            waiting = 0 if told.sequence.stream >= last else told.num_pending or 0
    finally:
        with contextlib.suppress(nats.js.errors.NotFoundError, *_BROKER_ERRORS):
            await subscription.unsubscribe()
            await jetstream.delete_consumer(stream.name, name)
