"""Every user's entitlement in this process's memory, kept current by the broker."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from types import TracebackType
from typing import Self

from atlas_client.clock import now
from atlas_client.entries import Entries
from atlas_client.listeners import Callback, Listeners
from atlas_client.reading import Interrupted, Reading
from atlas_client.state import EntitlementState
from atlas_client.tasks import end

log = logging.getLogger("atlas_client")

TRUST_SECONDS = 6.0
"""A mirror that has not heard for so long that it is complete isn't current: two checks and a slow answer."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0


class EntitlementMirror:
    """A copy of the bucket ENTITLEMENT_STATE, in one event loop.

    It answers from memory and never blocks. While it isn't :attr:`current`, it answers what it knew last; before it was
    current for the first time, nobody is Pro.
    """

    def __init__(self, nats_url: str, *, inbox_prefix: str = "_INBOX") -> None:
        """``nats_url`` has the reader's user and password in it; several servers are separated by commas.

        ``inbox_prefix``: where the broker lets this user receive answers, if not below ``_INBOX``.
        """
        self._servers = [url.strip() for url in nats_url.split(",") if url.strip()]
        if not self._servers:
            raise ValueError("nats_url is empty: it has to be such as nats://user:password@127.0.0.1:4222.")
        self._inbox_prefix = inbox_prefix
        self._entries, self._listeners = Entries(), Listeners()
        self._confirmed: float | None = None
        self._was_current = asyncio.Event()
        self._trouble, self._went_well = "no answer yet", False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def current(self) -> bool:
        """Whether nothing was missing here at a moment that is at most six seconds ago, and nothing is amiss since."""
        return self._confirmed is not None and now() - self._confirmed <= TRUST_SECONDS

    def is_pro(self, user_id: str) -> bool:
        state = self._entries.get(user_id)
        return state is not None and state.is_pro

    def get(self, user_id: str) -> EntitlementState | None:
        """None for somebody of whom nothing is known: never bought, or forgotten."""
        return self._entries.get(user_id)

    def __len__(self) -> int:
        """How many users there are."""
        return len(self._entries)

    def on_change(self, callback: Callback) -> Callable[[], None]:
        """Have ``callback(state)`` called, plain or async, for each user whose state differs from what was known here.

        Before :meth:`start` nothing is known, so whoever is added before it is told of every user. Of somebody
        forgotten it is told a state with version 0. Calls come one after another; of several changes of a user in a row
        the newest is told. An exception is logged and stops nothing. Returns a function that takes the callback away.
        """
        return self._listeners.add(callback)

    async def start(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - its error says what is wrong
        """Return when the mirror is current. A broker that is away is waited for.

        After ``timeout`` seconds without success it raises TimeoutError, which says what is wrong, and is stopped.
        """
        if self._tasks:
            raise RuntimeError("The mirror runs already.")
        self._was_current = asyncio.Event()
        self._tasks = [asyncio.create_task(self._read_always()), asyncio.create_task(self._listeners.run())]
        try:
            async with asyncio.timeout(timeout):
                await self._was_current.wait()
        except TimeoutError:
            await self.stop()
            raise TimeoutError(f"The mirror is not current after {timeout} s: {self._trouble}.") from None
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything. What was known stays readable, and isn't current. :meth:`start` may follow."""
        tasks, self._tasks = self._tasks, []
        await end(tasks)
        self._confirmed = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _read_always(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            self._went_well = False
            try:
                await Reading(self._entries, self._listeners.tell, self._confirm).run(self._servers, self._inbox_prefix)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next reading begins from the start
                self._trouble = (
                    str(error) if isinstance(error, Interrupted) else f"{type(error).__name__} {error}".strip()
                )
            if self._went_well:
                pause = FIRST_PAUSE_SECONDS
                log.warning("The mirror of entitlements is not current: %s.", self._trouble)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that not all mirrors ask at once
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _confirm(self, moment: float | None) -> None:
        if moment is not None and self._confirmed is None:
            self._went_well = True
            log.info("The mirror of entitlements is current: %d users.", len(self._entries))
            self._was_current.set()
        self._confirmed = moment
