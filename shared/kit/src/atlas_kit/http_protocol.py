"""uvicorn's HTTP/1.1 protocol with the bounds that it lacks: on a request's head, and on a body nobody reads any more.
And with one write to the socket per answer instead of two.

Without them a client that sends one header byte a second holds a connection for ever, one that never ends its headers
fills the memory, and one whose request was already answered may go on sending.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""From the connection's begin, or a later request's first byte, to the end of the headers."""
HEAD_BYTES = 64 * 1024
UNREAD_SECONDS = 10.0
UNREAD_BYTES = 8 * 1024 * 1024
"""What a client may still send after its answer: dropped unread, so that it comes to reading the answer."""
MOST_HELD_BYTES = 64 * 1024
"""More than this is sent at once, so that an answer without end meets the transport's own limit."""
HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n"
    b"x-content-type-options: nosniff\r\n\r\n"
)


class JoinedWrites:
    """A transport that sends together what is written in one turn of the event loop.

    uvicorn writes an answer's head and its body by themselves: a system call and a wake-up of the reader each, together
    an eighth of the webhook's processor time.
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

    def close(self) -> None:
        self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _send(self) -> None:
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held, self._held_bytes = [], 0


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. A head is complete in time and size, or the connection ends."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_open = True
        self._head_bytes = 0
        self._body_open = False
        self._unread_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]  # all of it that is asked for
        self._close_after(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._body_open and self.cycle.response_complete:
            self._unread_bytes += len(data)
            if self._unread_bytes > UNREAD_BYTES:
                self.transport.close()
                return
        super().data_received(data)
        if self._head_open:
            self._bound_head(len(data))

    def on_message_begin(self) -> None:
        self._head_open = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_open = False
        self._body_open = True
        self._unread_bytes = 0
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._body_open = False
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._body_open:
            self._close_after(UNREAD_SECONDS)

    def _bound_head(self, received: int) -> None:
        self._head_bytes += received
        if self.transport.is_closing():
            return
        if self._head_bytes > HEAD_BYTES:
            self.transport.write(HEAD_TOO_LARGE)
            self.transport.close()
        elif self._timer is None:
            self._close_after(HEAD_SECONDS)

    def _close_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
