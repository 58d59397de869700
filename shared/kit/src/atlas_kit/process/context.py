"""The request id and the W3C trace context of the request or message that is being handled."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
TRACEPARENT_PATTERN = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


@dataclass(frozen=True, slots=True)
class Ids:
    """The request id and trace context under which something was made."""

    request_id: str
    traceparent: str

    def logged(self) -> dict[str, str]:
        """How a log line names them, for a line about one of several facts that are handled together."""
        return {"requestId": self.request_id, "traceId": trace_id(self.traceparent)}


def current_request_id() -> str:
    """The id of the request or message that is being handled; outside of one, a new id on each call."""
    return _request_id.get() or new_request_id()


def current_traceparent() -> str:
    return _traceparent.get() or new_traceparent()


def current_trace_id() -> str | None:
    """The id of the trace of the request or message that is being handled; None outside of one."""
    traceparent = _traceparent.get()
    return trace_id(traceparent) if traceparent else None


def trace_id(traceparent: str) -> str:
    """The 32 hexadecimal digits that all spans of a trace share."""
    return traceparent[3:35]


def new_request_id() -> str:
    return f"req_{_random_hex(12)}"


def _random_hex(count: int) -> str:
    """``count`` random bytes in hexadecimal. Ids must be unique, not secret, so the random module is enough."""
    return f"{random.getrandbits(8 * count):0{2 * count}x}"


def new_traceparent(parent: str | None = None) -> str:
    """A W3C traceparent with a new span id. Trace id and flags are those of a well-formed ``parent``, else new."""
    if parent and TRACEPARENT_PATTERN.fullmatch(parent):
        return f"{parent[:36]}{_random_hex(8)}{parent[52:]}"
    return f"00-{_random_hex(16)}-{_random_hex(8)}-01"


def accept_request_id(*candidates: str | None) -> str:
    """The first candidate that is a well-formed request id, else a new id."""
    return next((c for c in candidates if c and REQUEST_ID_PATTERN.fullmatch(c)), None) or new_request_id()


def accept_traceparent(*candidates: str | None) -> str:
    """The first candidate that is a well-formed traceparent, else a new one."""
    return next((c for c in candidates if c and TRACEPARENT_PATTERN.fullmatch(c)), None) or new_traceparent()


def enter(request_id: str, traceparent: str | None = None) -> None:
    """Set the ids for the rest of the running task; for callers that own their task."""
    _request_id.set(request_id)
    _traceparent.set(new_traceparent(traceparent))


def take(ids: Ids) -> None:
    """Set the ids for the rest of the running task, without a new span; for callers that own their task."""
    _request_id.set(ids.request_id)
    _traceparent.set(ids.traceparent)


@contextmanager
def bound(request_id: str, traceparent: str | None = None) -> Iterator[None]:
    """Set the ids for a block, which gets a new span in the trace of ``traceparent``."""
    with carrying(Ids(request_id, new_traceparent(traceparent))):
        yield


@contextmanager
def carrying(ids: Ids) -> Iterator[None]:
    """Set the ids for a block without a new span, for work that only passes on what another span has made."""
    tokens = _request_id.set(ids.request_id), _traceparent.set(ids.traceparent)
    try:
        yield
    finally:
        _request_id.reset(tokens[0])
        _traceparent.reset(tokens[1])
