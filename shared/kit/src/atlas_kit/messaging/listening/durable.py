"""A durable consumer: its properties, and declaring it at the broker if it is missing."""

from __future__ import annotations

from dataclasses import dataclass

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from atlas_contracts.streams import StreamSpec
from atlas_kit.process.logs import get_logger

log = get_logger()

ACK_WAIT_SECONDS = 10
"""A message that isn't acknowledged within this time is delivered again, for example because its replica was killed. A
batch takes milliseconds, and handling a message twice is harmless."""

BUSY = 16
"""Messages in one batch."""


@dataclass(frozen=True, slots=True)
class Durable:
    """A durable consumer: a named position in a stream, stored by the broker and shared by all replicas."""

    stream: StreamSpec
    name: str
    batch: int = 256
    """Most messages that are handled together."""
    spacing_seconds: float = 0.0
    """Least time from the beginning of one batch to the beginning of the next. Under steady load the messages of that
    time share a batch; after a longer pause a message is handled at once."""
    busy_spacing_seconds: float = 0.0
    """The same after a batch of at least :data:`BUSY` messages: where so many come, a larger batch costs less for each.
    """


async def declare(jetstream: JetStreamContext, durable: Durable) -> None:
    """Create the durable consumer if it is missing. No event may be lost: each is acknowledged by itself, and delivered
    again without limit.

    Raises nats errors when the broker can't tell whether it exists (no leader, no connection, no answer in time).
    """
    stream = durable.stream
    try:
        await jetstream.consumer_info(stream.name, durable.name)
    except nats.js.errors.NotFoundError:
        await jetstream.add_consumer(
            stream.name,
            ConsumerConfig(
                durable_name=durable.name,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_SECONDS,
                max_deliver=-1,
                max_ack_pending=4 * durable.batch,
                filter_subject=stream.subjects[0],
            ),
        )
        log.info("broker.consumer_created", stream=stream.name, durable=durable.name)
