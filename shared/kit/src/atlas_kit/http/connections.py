"""How many connections a process holds, and which one goes when there are too many.

A stranger may open as many as the network carries, and hold each for as long as a deadline allows. So what is bounded
is the number, and whoever makes the process wait the longest leaves first: between two requests, within a head, within
a body. Who has sent all of a request, or something that the process has not come to read, is never cut off for somebody
new; where everybody has, the newcomer hears 503.
"""

from __future__ import annotations

import time
from typing import Protocol

from prometheus_client import Counter, Gauge

from atlas_kit.process.logs import get_logger

log = get_logger()

BODIES_BYTES = 64 * 1024 * 1024
"""Of all bodies that aren't complete yet: a thousand good webhooks need 4 MB."""
LOOKS = 16
"""How many are asked for one newcomer whether they have sent something: each costs a system call."""
LOG_SECONDS = 10.0
"""At most one line in so much time: who floods the door must not flood the disk."""
OPEN = Gauge("atlas_http_connections", "Connections open.")
ENDED = Counter("atlas_http_connections_ended_total", "Connections ended to make room, or turned away.", ["why"])


class HttpConnection(Protocol):
    """What can be ended to make room."""

    def end(self) -> None:
        """Close now; what is in the middle of being sent is answered with 503."""

    def has_unread(self) -> bool:
        """Whether it has sent something that the process has not come to read."""


class Connections:
    """All connections of a process, in the order in which they began to keep it waiting."""

    def __init__(self, most: int, bodies_bytes: int = BODIES_BYTES) -> None:
        self._most, self._most_refused, self._bodies_bytes = most, max(1, most // 4), bodies_bytes
        self._open: set[HttpConnection] = set()
        self._waiting: dict[HttpConnection, None] = {}
        self._refused: dict[HttpConnection, None] = {}
        self._bodies: dict[HttpConnection, int] = {}
        self._held = 0
        self._logged = -LOG_SECONDS

    def enter(self, connection: HttpConnection) -> bool:
        """Whether there is room for it, made at somebody else's cost if need be. It waits, for its first request."""
        if len(self._open) < self._most or self._make_room():
            self._open.add(connection)
            self._waiting[connection] = None
            OPEN.set(len(self._open))
            return True
        self._note("refused")
        if len(self._refused) >= self._most_refused:
            self._end_first(self._refused, "refused_too_long")
        self._refused[connection] = None
        return False

    def leave(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._refused.pop(connection, None)
        self.body_complete(connection)
        OPEN.set(len(self._open))

    def waits(self, connection: HttpConnection) -> None:
        """From now on the process waits for this client."""
        if connection in self._open:
            self._waiting.pop(connection, None)
            self._waiting[connection] = None

    def still_waits(self, connection: HttpConnection) -> None:
        """What came was not all of it: in its old place, if it still has one."""
        if connection in self._open:
            self._waiting.setdefault(connection)

    def works(self, connection: HttpConnection) -> None:
        """The client has sent all of a request: now it waits for the process."""
        self._waiting.pop(connection, None)

    def body_grows(self, connection: HttpConnection, received: int) -> None:
        """Count part of a body; past the bound, those that began the earliest go."""
        self._bodies[connection] = self._bodies.get(connection, 0) + received
        self._held += received
        while self._held > self._bodies_bytes and self._end_first(self._bodies, "bodies"):
            pass

    def body_complete(self, connection: HttpConnection) -> None:
        self._held -= self._bodies.pop(connection, 0)

    def _make_room(self) -> bool:
        for _ in range(LOOKS):
            first = next(iter(self._waiting), None)
            if first is None or not first.has_unread():
                return self._end_first(self._waiting, "made_room")
            self.works(first)  # so it seems; reading it shows
        return False

    def _end_first(self, among: dict[HttpConnection, None] | dict[HttpConnection, int], why: str) -> bool:
        first = next(iter(among), None)
        if first is None:
            return False
        self.leave(first)
        self._note(why)
        first.end()
        return True

    def _note(self, why: str) -> None:
        ENDED.labels(why).inc()
        now = time.monotonic()
        if now >= self._logged + LOG_SECONDS:
            self._logged = now
            log.warning("http.connections_full", why=why, open=len(self._open))
