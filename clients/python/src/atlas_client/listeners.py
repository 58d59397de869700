"""Callbacks, called one after another beside the mirror: neither a slow nor a failing one holds it up."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from atlas_client.state import EntitlementState

log = logging.getLogger("atlas_client")

Callback = Callable[[EntitlementState], Awaitable[object] | object]


class Listeners:
    """States wait here until every callback has had them. Of a user who changes meanwhile, only the newest waits."""

    def __init__(self) -> None:
        self._callbacks: list[Callback] = []
        self._waiting: OrderedDict[str, EntitlementState] = OrderedDict()
        self._news = asyncio.Event()

    def add(self, callback: Callback) -> Callable[[], None]:
        """Returns what takes the callback away again."""
        self._callbacks.append(callback)

        def remove() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return remove

    def tell(self, state: EntitlementState) -> None:
        if self._callbacks:
            self._waiting[state.user_id] = state
            self._news.set()

    async def run(self) -> None:
        """For ever. What was not told when this ends is told when it runs again."""
        while True:
            await self._news.wait()
            while self._waiting:
                _, state = self._waiting.popitem(last=False)
                try:
                    await self._call(state)
                except asyncio.CancelledError:
                    self._waiting.setdefault(state.user_id, state)
                    raise
            self._news.clear()

    async def _call(self, state: EntitlementState) -> None:
        for callback in list(self._callbacks):
            try:
                answer = callback(state)
                if inspect.isawaitable(answer):
                    await answer
            except Exception:
                log.exception("A callback of the mirror failed; the mirror goes on.")
        await asyncio.sleep(0)
