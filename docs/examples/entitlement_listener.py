"""Another Atlas service that follows who is Pro: a FastStream application with durables of its own.

    NATS_URL=nats://observer:…@127.0.0.1:4222 python docs/examples/entitlement_listener.py

`stack.json` has the URL as `nats.observer.url`. Delivery is at least once and in any order, so a version at or below
the one already known is old news. The bucket of states says when a user was forgotten; one who comes back begins at
version 1 again.
"""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial

from faststream import AckPolicy, FastStream
from faststream.nats import JStream, NatsBroker
from faststream.nats.annotations import NatsMessage

from atlas_contracts.entitlements import EntitlementEvent
from atlas_contracts.streams import ENTITLEMENTS, STATE, StreamSpec, state_key

known: dict[str, tuple[str, int]] = {}
"""User id and newest version, by the user's key in the bucket."""
stored: dict[str, tuple[int, int]] = {}
"""Sequence and version of the newest entry heard of, by the same key."""


def learn(user: str, version: int, *, is_pro: bool, reason: str) -> None:
    """Say what is new."""
    if version > known.get(state_key(user), ("", 0))[1]:
        known[state_key(user)] = user, version
        print(f"{user} is {'' if is_pro else 'not '}Pro ({reason})", flush=True)


def follow(url: str, *, inbox_prefix: str = "_INBOX_observer") -> FastStream:
    """The application. The streams exist already: never declare them here."""
    broker = NatsBroker(
        url, inbox_prefix=inbox_prefix, max_reconnect_attempts=-1, ack_policy=AckPolicy.NACK_ON_ERROR, logger=None
    )
    # no_reply: else the publisher would choose whom an answer reaches.
    listen = partial(broker.subscriber, pull_sub=True, no_reply=True)

    @listen(ENTITLEMENTS.subjects[0], durable="example-listener", stream=existing(ENTITLEMENTS))
    async def on_entitlement(event: EntitlementEvent, message: NatsMessage) -> None:
        if "Nats-Stream" not in message.headers:  # else it is the broker's answer to somebody's read, not an event
            now = event.data
            learn(now.user_id, now.version, is_pro=now.is_pro, reason=now.reason)

    @listen(STATE.subjects[0], durable="example-forgetter", stream=existing(STATE))
    async def on_state(message: NatsMessage) -> None:
        key, now = message.raw_message.subject.rpartition(".")[2], json.loads(message.body or b"null")
        sequence, (last, version) = message.raw_message.metadata.sequence.stream, stored.get(key, (0, 0))
        if sequence <= last:
            return  # delivered again
        stored[key] = sequence, now["version"] if now else 0
        # Compared with the bucket's own last word: an event may be ahead of it.
        if key in known and (now is None or now["version"] < version):
            user, _ = known.pop(key)
            print(f"{user} was forgotten", flush=True)  # here you delete what you keep under this id
        if now is not None:
            learn(now["userId"], now["version"], is_pro=now["isPro"], reason=now["reason"])

    return FastStream(broker)


def existing(stream: StreamSpec) -> JStream:
    return JStream(stream.name, declare=False)


if __name__ == "__main__":
    asyncio.run(follow(os.environ["NATS_URL"]).run())
