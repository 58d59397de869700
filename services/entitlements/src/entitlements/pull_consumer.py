"""A durable pull consumer read in batches: whatever has arrived is handled together, and nothing waits for more.

FastStream's and nats-py's batch fetches wait for a batch to fill or for a time-out once the first message is there;
see docs/decisions/0005.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from atlas_contracts.streams import StreamSpec
from atlas_kit.logs import get_logger

log = get_logger()

BATCH = 256
REQUEST_SECONDS = 30
HEARTBEAT_SECONDS = 2
SILENCE_SECONDS = 2.5 * HEARTBEAT_SECONDS
"""Without a message or a heartbeat for so long, the request is lost: ask again."""
ACK_WAIT_SECONDS = 10
"""What a replica was killed over comes again after so long. A batch takes milliseconds; twice is harmless."""
MAX_ACK_PENDING = 4 * BATCH
_NANOSECONDS = 1_000_000_000


async def declare_consumer(client: Client, stream: StreamSpec, durable: str) -> None:
    """Create the durable where it is missing. For money: redelivered without end, explicitly acknowledged."""
    jetstream = client.jetstream()
    try:
        await jetstream.consumer_info(stream.name, durable)
    except nats.js.errors.NotFoundError:
        await jetstream.add_consumer(
            stream.name,
            ConsumerConfig(
                durable_name=durable,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_SECONDS,
                max_deliver=-1,
                max_ack_pending=MAX_ACK_PENDING,
                filter_subject=stream.subjects[0],
            ),
        )
        log.info("broker.consumer_created", stream=stream.name, durable=durable)


async def batches(client: Client, stream: StreamSpec, durable: str) -> AsyncIterator[list[Msg]]:
    """Batches of what has arrived, for ever. Raises nats errors when the durable is gone or the client closed."""
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=arrived.put)
    try:
        while True:
            await _request(client, stream, durable, inbox)
            remaining = BATCH
            while remaining > 0:
                batch, ended = await _collect(arrived, remaining)
                remaining -= len(batch)
                if batch:
                    yield batch
                if ended:
                    break
    finally:
        if client.is_connected:
            await subscription.unsubscribe()


async def _request(client: Client, stream: StreamSpec, durable: str, inbox: str) -> None:
    request = {
        "batch": BATCH,
        "expires": REQUEST_SECONDS * _NANOSECONDS,
        "idle_heartbeat": HEARTBEAT_SECONDS * _NANOSECONDS,
    }
    await client.publish(
        f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.{durable}", json.dumps(request).encode(), reply=inbox
    )


async def _collect(arrived: asyncio.Queue[Msg], limit: int) -> tuple[list[Msg], bool]:
    """At least one message and whatever else is there already; True when the request has ended."""
    batch: list[Msg] = []
    while len(batch) < limit:
        try:
            message = arrived.get_nowait() if batch else await asyncio.wait_for(arrived.get(), SILENCE_SECONDS)
        except asyncio.QueueEmpty:
            break
        except TimeoutError:
            return batch, True
        status = (message.headers or {}).get("Status") if not message.data else None
        if status is None:
            batch.append(message)
        elif status != "100":
            _refuse_if_gone(message)
            return batch, True
    return batch, False


def _refuse_if_gone(message: Msg) -> None:
    description = (message.headers or {}).get("Description", "")
    if "Consumer Deleted" in description or "Consumer is push based" in description:
        raise nats.js.errors.NotFoundError(description=description)
