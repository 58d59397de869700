"""What a stream of ours is like at the broker, and how a service makes one that is missing."""

from __future__ import annotations

import time

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from atlas_contracts.streams import StreamSpec
from atlas_kit.process.logs import get_logger

log = get_logger()


def stream_config(stream: StreamSpec, replicas: int) -> StreamConfig:
    """The configuration that a stream must have (``atlas doctor`` compares with it)."""
    if stream.is_bucket:
        return _bucket_config(stream, replicas)
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        num_replicas=replicas,
        max_age=float(stream.max_age_seconds),
        duplicate_window=float(stream.dedupe_window_seconds),
        deny_delete=True,
        deny_purge=True,
        allow_direct=stream.direct_reads,
        allow_atomic=True,  # group commit (atlas_kit.messaging.group_commit)
    )


def _bucket_config(stream: StreamSpec, replicas: int) -> StreamConfig:
    """As any client configures a key-value bucket with a history of 1.

    Its first message is numbered by the time (ms): where a bucket is made anew, the mirror of the old one goes on with
    what the new one holds, instead of waiting until that is as long as before.
    """
    return StreamConfig(
        name=stream.name,
        first_seq=time.time_ns() // 10**6,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        num_replicas=replicas,
        max_age=float(stream.max_age_seconds),
        max_msgs_per_subject=1,
        duplicate_window=float(stream.dedupe_window_seconds),
        deny_delete=True,
        deny_purge=False,
        allow_rollup_hdrs=True,
        allow_direct=stream.direct_reads,
        allow_atomic=True,  # many entries at once (atlas_kit.messaging.at_once)
    )


async def declare_stream(jetstream: JetStreamContext, stream: StreamSpec, replicas: int) -> None:
    """Create the stream if it is missing; an existing one is never changed by the services."""
    try:
        await jetstream.stream_info(stream.name)
    except nats.js.errors.NotFoundError:
        await jetstream.add_stream(stream_config(stream, replicas))
        log.info("broker.stream_created", stream=stream.name)
