"""Makes one write to the socket per answer instead of two."""

from __future__ import annotations

import asyncio
from typing import Any

MOST_HELD_BYTES = 64 * 1024
"""More than this is sent at once, so that the transport's own limit applies to answers without an end."""


class JoinedWrites:
    """A transport that joins everything written in one turn of the event loop into one write.

    uvicorn writes an answer's head and body separately. The second system call, and the second wake-up of the client,
    took an eighth of the webhook's processor time.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []
        self._held_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= MOST_HELD_BYTES:
            self._send()

    def write_now(self, data: bytes) -> None:
        """Write without waiting for the turn's end, for an answer that is whole."""
        if self._held or self._transport.is_closing():
            self.write(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _send(self) -> None:
        held, self._held, self._held_bytes = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))
