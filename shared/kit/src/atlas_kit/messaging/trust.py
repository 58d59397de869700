"""For how long a node of the broker is believed in that does nothing that it is asked for.

A node that is cut off from the other nodes has no majority, so it stores nothing and finds nothing; its clients still
reach it, and it answers their pings. Whoever is connected to it has to leave it by himself.
"""

from __future__ import annotations

import time
from collections.abc import Callable

TRUST_SECONDS = 9.0
"""Between the first request that was not done and one that is enough. Nodes that hear nothing of their leader choose
another one within 4 to 9 s: whoever left one of those meanwhile might come to the one that is cut off.
"""


class Trust:
    """Counts from the oldest request that was not done, since the last one that was, by when they were sent."""

    def __init__(self, seconds: float = TRUST_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._done_at = clock()
        self._waiting_since: float | None = None

    def done(self) -> None:
        """The node did what it was asked for."""
        self._done_at, self._waiting_since = self._clock(), None

    def not_done(self, asked_at: float) -> bool:
        """It didn't do what it was asked for at that time. Whether that is enough; if so, it begins anew."""
        asked_at = max(asked_at, self._done_at)
        if self._waiting_since is None or asked_at < self._waiting_since:
            self._waiting_since = asked_at
        if asked_at - self._waiting_since < self._seconds:
            return False
        self.done()
        return True
