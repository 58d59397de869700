"""A FastStream service that knows who is Pro: it answers each question of its own users by memory.

    ATLAS_NATS_URL=nats://observer:…@127.0.0.1:4222 NATS_URL=nats://127.0.0.1:4222 python examples/faststream_service.py

``ATLAS_NATS_URL`` is where Atlas billing lets you read (``./atlas status --json``: ``nats.observer.url``), ``NATS_URL``
the broker of this service's own messages.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from faststream import FastStream
from faststream.nats import NatsBroker

from atlas_client import EntitlementMirror, EntitlementState


def service(atlas_url: str, own_url: str) -> FastStream:
    """The application: it takes messages only while the mirror runs."""
    mirror, broker = EntitlementMirror(atlas_url), NatsBroker(own_url, logger=None)

    async def show(state: EntitlementState) -> None:
        print(f"{state.user_id} is {'' if state.is_pro else 'not '}Pro", flush=True)

    mirror.on_change(show)

    @broker.subscriber("coach.questions.*")
    async def answer(user_id: str) -> str:
        if not mirror.current:
            return "the last I knew: " + ("Pro" if mirror.is_pro(user_id) else "not Pro")
        return "Pro" if mirror.is_pro(user_id) else "not Pro"

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with mirror:
            yield

    return FastStream(broker, lifespan=lifespan)


if __name__ == "__main__":
    asyncio.run(service(os.environ["ATLAS_NATS_URL"], os.environ["NATS_URL"]).run())
