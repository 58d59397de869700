"""Another Atlas service that follows who is Pro: a FastStream application with a durable of its own.

    NATS_URL=nats://observer:…@127.0.0.1:4222 python docs/examples/entitlement_listener.py

``./atlas status --json`` shows the observer's URL. Handling is idempotent by ``version``: delivery is at least once,
and a version at or below the one already known is old news.
"""

from __future__ import annotations

import asyncio
import os

from faststream import AckPolicy, FastStream
from faststream.nats import JStream, NatsBroker

from atlas_contracts.entitlements import EntitlementEvent
from atlas_contracts.streams import ENTITLEMENTS

known_versions: dict[str, int] = {}


def follow(url: str, *, inbox_prefix: str = "_INBOX_observer") -> FastStream:
    """The application. The stream exists already: never declare it here."""
    broker = NatsBroker(
        url, inbox_prefix=inbox_prefix, max_reconnect_attempts=-1, ack_policy=AckPolicy.NACK_ON_ERROR, logger=None
    )

    @broker.subscriber(
        ENTITLEMENTS.subjects[0],
        durable="example-listener",
        stream=JStream(ENTITLEMENTS.name, declare=False),
        pull_sub=True,
        no_reply=True,  # the publisher chooses whom an answer would reach
    )
    async def on_entitlement(event: EntitlementEvent) -> None:
        if event.data.version > known_versions.get(event.data.user_id, 0):
            known_versions[event.data.user_id] = event.data.version
            print(f"{event.data.user_id} is {'' if event.data.is_pro else 'not '}Pro ({event.data.reason})", flush=True)

    return FastStream(broker)


if __name__ == "__main__":
    asyncio.run(follow(os.environ["NATS_URL"]).run())
