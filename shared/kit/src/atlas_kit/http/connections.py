"""Bounds the number of connections of a process, and decides which one is closed when there are too many.

Anybody can open many connections and keep each open until a time limit ends it. So their number is bounded. When a new
one arrives at the bound, the connection is closed whose client has kept the process waiting the longest: between two
requests, in the middle of a head, or in the middle of a body. A client that has sent a whole request, or data that the
process has not read yet, is never cut off for a new one; if that is true of all that are looked at, the new client
gets 503.
"""

from __future__ import annotations

import time
from typing import Protocol

from prometheus_client import Counter, Gauge

from atlas_kit.process.logs import get_logger

log = get_logger()

BODIES_BYTES = 64 * 1024 * 1024
"""Most bytes held of all incomplete bodies together. For comparison: a thousand webhooks need 4 MB."""
LOOKS = 16
"""Connections checked for unread data when a new client arrives; each check is one ``poll()``."""
LOG_SECONDS = 10.0
"""At most one log line in this time, so that a flood of connections doesn't fill the disk with logs."""
OPEN = Gauge("atlas_http_connections", "Connections open.")
ENDED = Counter("atlas_http_connections_ended_total", "Connections ended to make room, or turned away.", ["why"])


class HttpConnection(Protocol):
    """A connection that can be closed to make room for another."""

    def end(self) -> None:
        """Close now; a request that the client is in the middle of sending is answered with 503."""

    def has_unread(self) -> bool:
        """Whether the client has sent data that the process has not read yet."""


class Connections:
    """All connections of a process, in the order in which their clients began to keep the process waiting."""

    def __init__(self, most: int, bodies_bytes: int = BODIES_BYTES) -> None:
        self._most, self._most_refused, self._bodies_bytes = most, max(1, most // 4), bodies_bytes
        self._open: set[HttpConnection] = set()
        self._waiting: dict[HttpConnection, None] = {}
        self._refused: dict[HttpConnection, None] = {}
        self._bodies: dict[HttpConnection, int] = {}
        self._held = 0
        self._logged = -LOG_SECONDS

    def enter(self, connection: HttpConnection) -> bool:
        """Add a new connection, if need be by closing another. Returns False when there is no room for it.

        From now on the process waits for its first request.
        """
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
        """Data came, but not the whole request: the connection keeps its place in the order, or gets the last one."""
        if connection in self._open:
            self._waiting.setdefault(connection)

    def works(self, connection: HttpConnection) -> None:
        """The client has sent all of a request: now it waits for the process."""
        self._waiting.pop(connection, None)

    def body_grows(self, connection: HttpConnection, received: int) -> None:
        """Count ``received`` bytes of a body. Above the bound, connections are closed, those first that began first."""
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
            self.works(first)  # it has sent data: perhaps a whole request, which reading will show
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
