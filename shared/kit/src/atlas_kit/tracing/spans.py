"""The process's recorder of spans, and the span that is open in the running task.

The recorder is chosen once, when the process starts (:mod:`atlas_kit.tracing.start`); without one nothing is recorded.
Like the log, it is one for all code of a process, so that it need not be passed through every function between a
request and a query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self

from atlas_kit.process.context import Ids
from atlas_kit.tracing.names import SpanKind

Attributes = Mapping[str, str | int | bool]


class OpenSpan(Protocol):
    """One piece of work. As a context manager it ends the span, with the exception's class where there is one."""

    @property
    def name(self) -> str:
        """As shown; empty where nothing is recorded."""

    @property
    def ids(self) -> Ids | None:
        """The request id and trace context of work done for this span; None where nothing is recorded."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""

    def rename(self, name: str) -> None:
        """Give the span another name, when what it is about is known only now."""

    def failed(self, kind: str) -> None:
        """Mark the span as failed. ``kind`` is a stable word: an exception's class, or an HTTP status."""

    def end(self) -> None:
        """End it now, once; for spans that aren't context managers."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Recorder(Protocol):
    """Makes spans."""

    def open(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        *,
        request_id: str,
        parent: OpenSpan | str | None,
        links: Sequence[str] = (),
        current: bool = True,
    ) -> OpenSpan:
        """A span that has begun.

        Args:
            name: of few distinct values; nothing of a person in it.
            kind: of the span.
            attributes: known at the start.
            request_id: the id that work inside of it has.
            parent: an open span, the trace context of another process's span, or None for a new trace.
            links: trace contexts of other spans that this one is about.
            current: as a context manager, make it the span that is open in this task, whose ids go out with calls and
                events. Without that it only measures.

        """


class _Nothing:
    """A span where nothing is recorded."""

    __slots__ = ()
    name = ""
    ids: Ids | None = None

    def note(self, attributes: Attributes) -> None: ...

    def rename(self, name: str) -> None: ...

    def failed(self, kind: str) -> None: ...

    def end(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None: ...


NOTHING: OpenSpan = _Nothing()

_recorder: Recorder | None = None
_live: ContextVar[OpenSpan | None] = ContextVar("live_span", default=None)


def install(recorder: Recorder | None) -> None:
    """Record with this from now on; None: record nothing."""
    global _recorder  # noqa: PLW0603 - one for the process, see above
    _recorder = recorder


def recorder() -> Recorder | None:
    """The process's recorder; None while tracing is off."""
    return _recorder


def live() -> OpenSpan | None:
    """The span that is open in this task."""
    return _live.get()


def make_live(span: OpenSpan | None) -> Any:
    """Make it the one that is open in this task. Returns what :func:`restore` takes."""
    return _live.set(span)


def restore(token: Any) -> None:
    """Make the span live that was so before."""
    _live.reset(token)


def below(name: str, kind: SpanKind, attributes: Attributes, *, current: bool = True) -> OpenSpan:
    """A span below the one that is open in this task. Without one nothing is recorded: what a background loop asks
    every second, and what health checks ask, makes no trace of its own.
    """
    if _recorder is None:
        return NOTHING
    parent = _live.get()
    if parent is None or parent.ids is None:
        return NOTHING
    return _recorder.open(name, kind, attributes, request_id=parent.ids.request_id, parent=parent, current=current)
