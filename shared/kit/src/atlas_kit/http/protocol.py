"""uvicorn's HTTP/1.1 protocol with limits that uvicorn lacks.

The limits are on: the number of connections (:mod:`atlas_kit.http.connections`); the size, time and number of headers;
the bytes between the chunks of a chunked body (sizes, extensions, trailers); requests sent before the answers to
earlier ones (pipelining); a body that is still sent after the answer; and answers that the client doesn't read. Without
them, a client that sends one header byte per second keeps a connection for ever, one that never ends its headers or
trailers fills the memory, one packet of small requests becomes 14,000 waiting requests, and a client whose request was
answered can go on sending.

Trailers are dropped. uvicorn would add them to the headers of the request, after a proxy in front has checked the head:
a cookie, signature or request id in a trailer would then be believed.
"""

from __future__ import annotations

import asyncio
import select
from functools import partial
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from atlas_kit.http.connections import Connections
from atlas_kit.http.joined_writes import JoinedWrites
from atlas_kit.http.whole import WHOLE

HEAD_SECONDS = 10.0
"""Time limit from the connection's start, or from a later request's first byte, to the end of the headers."""
HEAD_BYTES = 64 * 1024
HEADERS = 256
"""Number of headers. In 64 kB there could be 16,000 of four bytes each, which take 40 times as much memory."""
FRAMING_BYTES = 64 * 1024
"""Most bytes of a chunked body's sizes, extensions and trailers: between two pieces of content or after the last one,
and in the whole body, where each byte of content allows :data:`FRAMING_PER_BYTE` more."""
FRAMING_PER_BYTE = 8
"""A chunk with one byte of content has five bytes of framing."""
UNREAD_SECONDS = 10.0
UNREAD_BYTES = 8 * 1024 * 1024
"""How long and how much a client may still send after its request was answered. It is dropped unread; closing at once
could destroy the answer before the client reads it."""
STALL_SECONDS = 30.0
"""How long a client may not read its answer once the buffers are full."""
LAST_SECONDS = 0.2
"""How long a connection without a request stays open when the server ends: what its client has sent already is read and
answered. uvicorn closes it at once, and then a request fails that came a moment too early."""
FLUSH_SECONDS = 5.0
"""Time to send the last bytes of a connection that is being closed."""
REFUSED_SECONDS = 2.0
"""How long a refused client has to read its 503."""
PIPELINED = 16
"""Requests that a client may send before the answers to earlier ones; our own clients send none."""
BODILESS = frozenset({204, 304})

_BARE = b"connection: close\r\ncontent-length: 0\r\nx-content-type-options: nosniff\r\n"
HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _BARE + b"\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n" + _BARE + b"\r\n"


class _RefusedError(Exception):
    """Stops the parser, which would otherwise go on with the rest of the received data."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection; ``among`` holds all connections of the process."""

    among: ClassVar[Connections]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_open = True
        self._head_bytes = 0
        self._body_open = False
        self._framing_left = 0
        self._silent_bytes = 0
        self._unread_bytes = 0
        self._refused = self._ending = False
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        self._joined = JoinedWrites(transport, self.loop)
        super().connection_made(self._joined)  # type: ignore[arg-type]  # it has all methods that uvicorn calls
        self._refused = not self.among.enter(self)
        if self._refused:
            self.transport.write(BUSY)
        self._close_after(REFUSED_SECONDS if self._refused else HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self.among.leave(self)
        self._stop_timer()
        self._stop_stall()
        self._unset_keepalive_if_required()  # after a reset uvicorn would keep this timer, which keeps the connection
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return  # read and dropped: closing with unread bytes would destroy the answer before the client reads it
        if self._body_open and self.cycle.response_complete:
            self._unread_bytes += len(data)
            if self._unread_bytes > UNREAD_BYTES:
                self._close()
                return
        if self._body_open:  # counts everything as framing; on_body corrects that for the content
            self._framing_left -= len(data)
            self._silent_bytes += len(data)
        super().data_received(data)
        if self._head_open:
            self._bound_head(len(data))
        elif self._body_open:
            self._bound_framing()
        if self._body_open or not self._working():
            self.among.still_waits(self)

    def on_message_begin(self) -> None:
        self._head_open = True
        self._head_bytes = 0
        super().on_message_begin()
        if not self._working():
            self.among.waits(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_open:
            return  # a trailer
        super().on_header(name, value)
        if len(self.headers) > HEADERS:
            self._refuse(HEAD_TOO_LARGE)
            raise _RefusedError

    def on_headers_complete(self) -> None:
        self._head_open = False
        self._body_open = True
        self._framing_left, self._silent_bytes = FRAMING_BYTES, 0
        self._unread_bytes = 0
        self.among.body_complete(self)  # the bytes of the head were counted like a body until now
        self._stop_timer()
        super().on_headers_complete()
        if self._ending:
            self.cycle.keep_alive = False
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # servers may put more into it
        scope[WHOLE] = partial(self._answer_whole, self.cycle)
        if len(self.pipeline) > PIPELINED:
            self._close()
            raise _RefusedError

    def _answer_whole(self, cycle: RequestResponseCycle, status: int, lines: bytes, body: bytes) -> bool:
        """As ``cycle.send()`` does with both messages, for the usual case: see :mod:`atlas_kit.http.whole`."""
        usual = cycle.keep_alive and cycle.scope["method"] != "HEAD" and status not in BODILESS
        if not usual or cycle.response_started or cycle.disconnected or self.flow.write_paused:
            return False
        own = [b"%b: %b\r\n" % pair for pair in cycle.default_headers]
        self._joined.write_now(b"".join([STATUS_LINE[status], *own, lines, b"\r\n", body]))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._framing_left += len(body) * (1 + FRAMING_PER_BYTE)
        self._silent_bytes = 0
        if not self.cycle.response_complete:
            self.among.body_grows(self, len(body))

    def on_message_complete(self) -> None:
        self._body_open = False
        self._stop_timer()
        super().on_message_complete()
        self.among.body_complete(self)
        if self._working():
            self.among.works(self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._bound_stall()
            return
        if self._body_open:
            self._close_after(UNREAD_SECONDS)
        if self._body_open or not self._working():
            self.among.waits(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._bound_stall()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_stall()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def shutdown(self) -> None:
        """The server ends: answer what was asked, then close."""
        self._ending = True
        if self._working():
            super().shutdown()
        else:
            self.loop.call_later(LAST_SECONDS, self._close_unless_working)

    def end(self) -> None:
        """Close now, to make room for another connection."""
        if self._in_the_middle():
            self.transport.write(BUSY)
        self._close()

    def has_unread(self) -> bool:
        """Whether bytes of the client wait in the kernel because this process has been too busy to read them."""
        if self.transport.is_closing():
            return False
        poller = select.poll()
        poller.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poller.poll(0))

    def _in_the_middle(self) -> bool:
        """Whether the client is in the middle of sending a request, and no answer to it has begun."""
        if self._body_open:
            return not self.cycle.response_started
        return self._head_open and self._head_bytes > 0 and not self._working()

    def _close_unless_working(self) -> None:
        if not self._working():
            self._close()

    def _working(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _bound_head(self, received: int) -> None:
        self._head_bytes += received
        if self.transport.is_closing():
            return
        if self._head_bytes > HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
            return
        if self._timer is None:
            self._close_after(HEAD_SECONDS)
        if self._head_bytes and not self._working():
            self.among.body_grows(self, received)

    def _bound_framing(self) -> None:
        """Refuse a body with too much framing for its content, or with a chunk header or trailer that doesn't end."""
        too_much = self._framing_left < 0 or self._silent_bytes > FRAMING_BYTES
        if too_much and not self.transport.is_closing():
            self._refuse(b"" if self.cycle.response_started else HEAD_TOO_LARGE)

    def _refuse(self, answer: bytes) -> None:
        self.transport.write(answer)
        self._close()

    def _close_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _bound_stall(self) -> None:
        if self._stall is None:
            self._stall = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _close(self) -> None:
        """Close; after FLUSH_SECONDS even if the client has not read everything."""
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.close()
            self._timer = self.loop.call_later(FLUSH_SECONDS, self.transport.abort)


def bounded_protocol(among: Connections) -> type[BoundedHttpProtocol]:
    """The protocol class for one server, whose connections are in ``among``."""
    return type("ServedProtocol", (BoundedHttpProtocol,), {"among": among})
