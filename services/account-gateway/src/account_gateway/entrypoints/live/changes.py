"""Notices which users' entitlements changed: one subscription per process, shared by all of its open streams.

A change is only a hint to read the entitlement again over HTTP, from the entitlements service. Hints may be lost: core
NATS delivers at most once, and the broker may not be there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from nats.aio.msg import Msg
from pydantic import ValidationError

from atlas_contracts.entitlements import EntitlementEvent
from atlas_contracts.internal_api import GATEWAY_SERVICE
from atlas_contracts.streams import ENTITLEMENTS
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.broker import Broker, told_ids
from atlas_kit.messaging.listening import Listeners
from atlas_kit.process.context import Ids
from atlas_kit.process.logs import get_logger
from atlas_kit.tracing.messages import receiving

log = get_logger()

LOOK_SECONDS = 1.0
"""Pause between two looks at the broker's connection."""
MOST_STREAMS_PER_USER = 16
"""Streams of one user per process. A browser opens six at most; without a bound one user could take all connections."""


class Watch:
    """Wakes one stream when its user's entitlement may have changed.

    Any number of changes before the stream looks count as one, so nothing piles up.
    """

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._cause: Ids | None = None
        self.ended = False
        """True when the stream has to end, to make room for a newer one of its user."""

    def end(self) -> None:
        self.ended = True
        self.wake()

    def wake(self, cause: Ids | None = None) -> None:
        """``cause``: the ids with which the change came, where it is known."""
        self._cause = cause or self._cause
        self._news.set()

    def take_cause(self) -> Ids | None:
        """The ids of the newest change since this was asked last; None where nobody told of one."""
        cause, self._cause = self._cause, None
        return cause

    async def wait(self, seconds: float) -> bool:
        """Whether the watch was woken within ``seconds``."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
        news = self._news.is_set()
        self._news.clear()
        return news


class EntitlementChanges:
    """Wakes the watches of a user whose entitlement changed, and all of them when the broker comes or goes."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._listeners = Listeners(broker)
        for subject in ENTITLEMENTS.subjects:
            self._listeners.subscriber(subject)(self._on_message)
        self._watches: defaultdict[str, dict[Watch, None]] = defaultdict(dict)
        self._heard_on: int | None = None
        self.ending = False
        """True when the process is about to end: streams end too, and browsers reconnect to another replica."""

    @property
    def live(self) -> bool:
        """Whether changes arrive; while they don't, streams poll more often."""
        return self._heard_on is not None

    @contextmanager
    def watching(self, user_id: str) -> Iterator[Watch]:
        """A watch for one stream while the block runs. When a user has too many, the oldest one ends."""
        watch = Watch()
        self._watches[user_id][watch] = None
        if len(self._watches[user_id]) > MOST_STREAMS_PER_USER:
            oldest = next(iter(self._watches[user_id]))
            del self._watches[user_id][oldest]
            oldest.end()
        try:
            yield watch
        finally:
            self._watches[user_id].pop(watch, None)
            if not self._watches[user_id]:
                del self._watches[user_id]

    def changed(self, user_id: str, cause: Ids | None = None) -> None:
        for watch in self._watches.get(user_id, ()):
            watch.wake(cause)

    def wake_all(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.wake()

    def end_streams(self) -> None:
        """Let every open stream end now."""
        self.ending = True
        self.wake_all()

    async def follow(self) -> None:
        """Until cancelled: listen, and notice when the connection to the broker is lost or made."""
        async with self._listeners.listening():
            try:
                while True:
                    self._note(self._reconnects())
                    await asyncio.sleep(LOOK_SECONDS)
            finally:
                self._note(None)

    def _note(self, reconnects: int | None) -> None:
        if reconnects != self._heard_on:
            self._heard_on = reconnects
            log.info("entitlement.changes", live=self.live)
            self.wake_all()  # changes in between were not delivered

    def _reconnects(self) -> int | None:
        """How often the broker's client has reconnected, None without a connection. The number also shows a connection
        that was lost and made again between two looks.
        """
        try:
            return int(self._broker.client.stats["reconnects"])
        except Unavailable:
            return None

    async def _on_message(self, message: Msg) -> None:
        with receiving(message.subject, message.headers, GATEWAY_SERVICE) as span:
            try:
                user_id = EntitlementEvent.model_validate_json(message.data).data.user_id
            except ValidationError:
                log.warning("entitlement.change_unreadable", subject=message.subject)
                self.wake_all()
                return
            if user_id in self._watches:
                self.changed(user_id, span.ids or told_ids(message.headers or {}))
