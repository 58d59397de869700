"""Answers whose body is known at once, which nearly all are: one write of bytes, most of which are made only once.

uvicorn takes an answer in two messages, checks each header with two regular expressions and writes twice; with the ten
headers that every answer of ours has, that takes longer than all else at the edge. The protocol
(:mod:`atlas_kit.http.protocol`) offers another way to the edge middleware under :data:`WHOLE` in the scope. Under
another server, and for answers with anything unusual, uvicorn's own way remains.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from starlette.types import Receive

WHOLE = "atlas.whole_answer"
Pair = tuple[bytes, bytes]
AnswerWhole = Callable[[int, bytes, bytes], bool]
"""Sends status, header lines and body, and returns True; False where it can't, and then nothing is sent."""
_NAME = re.compile(rb"[a-z0-9-]+")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_FRAMING = frozenset({b"connection", b"transfer-encoding", b"upgrade"})


class AddedHeaders:
    """The headers that are added to every answer, where it has none of that name."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = tuple(pairs)
        self._names = frozenset(name for name, _ in pairs) | {b"x-request-id"}
        self._lines = _lines(pairs)

    def to(self, own: Iterable[Pair], request_id: bytes) -> list[Pair]:
        """An answer's own headers, and those that are added."""
        own = list(own)
        present = {name for name, _ in own}
        added = ((b"x-request-id", request_id), *self._pairs)
        return [*own, *(pair for pair in added if pair[0] not in present)]

    def lines(self, own: Sequence[Pair], request_id: bytes, body: bytes) -> bytes | None:
        """The same as bytes. None where a header is unusual, or replaces one of ours, or the length is another."""
        for name, value in own:
            if name in self._names or name in _FRAMING or _CONTROL.search(value) or not _NAME.fullmatch(name):
                return None
            if name == b"content-length" and value != b"%d" % len(body):
                return None
        return b"%bx-request-id: %b\r\n%b" % (_lines(own), request_id, self._lines)


def _lines(pairs: Iterable[Pair]) -> bytes:
    return b"".join([b"%b: %b\r\n" % pair for pair in pairs])


def has_arrived(receive: Receive) -> bool:
    """Whether uvicorn has the whole body already, so that reading it takes no time that would need a limit."""
    return getattr(getattr(receive, "__self__", None), "more_body", True) is False
