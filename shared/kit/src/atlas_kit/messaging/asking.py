"""nats-py's client with a short way for what happens most: a message is published, and its answer is awaited.

``Client.request()`` takes a task's turn for its flusher and one for its subscription, a timer each time, and reads
headers that a stream's answer never has. Here a message is one piece of bytes, written together with the others of
the same turn, answers are found by a counter in their subject, and one timer serves all. Figures: docs/performance.md.

It relies on insides of nats-py (``_process_msg``, ``_pending``, ``_transport``), whose version is locked;
tests/integration/kit/test_asking.py fails when they change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache

from nats.aio.client import Client
from nats.errors import BadSubjectError, ConnectionClosedError, MaxPayloadError

from atlas_kit.process.logs import get_logger

log = get_logger()

Heard = Callable[[bytes | None], None]
"""Called once: with the answer's bytes, which are empty where nobody listens, or with None when none came in time."""
Message = tuple[str, bytes, bytes]
"""Subject, headers as :mod:`atlas_kit.messaging.headers` makes them, and payload."""
_BLANK = len(b"NATS/1.0\r\n" + b"\r\n")
"""Bytes around the headers."""


@lru_cache(maxsize=256)
def _opening(subject: str) -> bytes:
    if not subject or any(character.isspace() for character in subject):
        raise BadSubjectError
    return b"HPUB %b " % subject.encode()


def _command(message: Message, reply: bytes) -> bytes:
    subject, headers, payload = message
    head = len(headers) + _BLANK
    whole = _opening(subject), reply, head, head + len(payload), headers, payload
    return b"%b%b %d %d\r\nNATS/1.0\r\n%b\r\n%b\r\n" % whole


class AskingClient(Client):
    """One connection. Call :meth:`hear_answers` once after ``connect()``; subscriptions survive reconnects."""

    def __init__(self) -> None:
        super().__init__()
        self._answers = -1
        self._inbox = b""
        self._asked = 0
        self._writes_soon = False
        self._awaited: dict[bytes, tuple[float, Heard]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def hear_answers(self) -> None:
        """Subscribe to the subjects on which answers come."""
        inbox = self.new_inbox()
        subscription = await self.subscribe(f"{inbox}.*")
        self._answers = subscription._id  # noqa: SLF001 - the number under which _process_msg gets its messages
        self._inbox = f"{inbox}.".encode()

    def ask(self, messages: Sequence[Message], heard: Heard, *, until: float) -> None:
        """Send messages in one piece, and call ``heard`` with the answer to the last one, or with None at ``until``
        (the loop's clock).

        Raises nats errors when they can't be sent; then ``heard`` is not called.
        """
        if not self.is_connected:
            raise ConnectionClosedError
        if max(_BLANK + len(headers) + len(payload) for _, headers, payload in messages) > self.max_payload:
            raise MaxPayloadError  # else the broker would close the connection
        self._asked += 1
        token = b"%b%d" % (self._inbox, self._asked)
        *before, last = messages
        self._write(b"".join([*(_command(message, b"") for message in before), _command(last, token)]))
        self._awaited[token] = until, heard
        if self._timer is None or until < self._timer.when():
            self._wake_at(until)

    def _write(self, piece: bytes) -> None:
        """Send with all else of this turn of the event loop: each write is a system call and wakes the broker."""
        if not self._writes_soon:
            self._writes_soon = True
            asyncio.get_running_loop().call_soon(self._write_pending)
        self._pending.append(piece)
        self._pending_data_size += len(piece)

    def _write_pending(self) -> None:
        self._writes_soon = False
        if self._pending and self.is_connected and self._transport is not None:
            pieces, self._pending, self._pending_data_size = self._pending, [], 0
            self._transport.write(b"".join(pieces))

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if sid != self._answers:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        _, heard = self._awaited.pop(bytes(subject), _NOBODY)
        _tell(heard, data)

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._give_up)

    def _give_up(self) -> None:
        """Tell those whose time is over; wake again for the next one."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        for token in [token for token, (until, _) in self._awaited.items() if until <= now]:
            _, heard = self._awaited.pop(token)
            _tell(heard, None)
        if self._awaited:
            self._wake_at(min(until for until, _ in self._awaited.values()))


def _unheard(_answer: bytes | None) -> None: ...


_NOBODY: tuple[float, Heard] = (0.0, _unheard)


def _tell(heard: Heard, answer: bytes | None) -> None:
    """An exception must not reach nats-py, which would stop reading from the connection."""
    try:
        heard(answer)
    except Exception:
        log.exception("broker.answer_unhandled")
