"""Spans of HTTP, of databases, and of work that begins inside a service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

from atlas_kit.process import context
from atlas_kit.process.context import Ids
from atlas_kit.tracing import names, spans
from atlas_kit.tracing.names import SpanKind
from atlas_kit.tracing.spans import NOTHING, OpenSpan

SERVER_ERROR = 500
NO_ATTRIBUTES: dict[str, str] = {}


def serving(scheme: str, request_id: str, traceparent: str | None, *, quiet: bool) -> OpenSpan:
    """Enter a request's ids, for the rest of its task, and begin its span; a ``quiet`` one (a health check) has none.

    Whoever calls it owns the task, and calls :func:`answered` at the end. Call it only while tracing is on.
    """
    recorder = spans.recorder()
    assert recorder, "tracing is off"
    if quiet:
        context.enter(request_id, traceparent)
        spans.make_live(None)  # a pipelined request's task begins with the context of the one before
        return NOTHING
    span = recorder.open(
        "HTTP", SpanKind.SERVER, {names.URL_SCHEME: scheme}, request_id=request_id, parent=traceparent, current=False
    )
    assert span.ids
    context.take(span.ids)
    spans.make_live(span)
    return span


def answered(span: OpenSpan, method: str | None, route: str | None, status: int) -> None:
    """End a request's span. ``method``: None for one that HTTP doesn't know. ``route`` is the route's template; None
    for a path that is no route's.
    """
    span.rename(f"{method or 'HTTP'} {route or ''}".rstrip())
    span.note({names.HTTP_REQUEST_METHOD: method or names.OTHER_METHOD, names.HTTP_RESPONSE_STATUS_CODE: status})
    if route:
        span.note({names.HTTP_ROUTE: route})
    if status >= SERVER_ERROR:
        span.failed(str(status))
    span.end()


def calling(method: str, base_url: str, *, template: str | None = None) -> OpenSpan:
    """A call by HTTP. Note the answer with :func:`got`. ``template`` is the path without ids."""
    if spans.live() is None:
        return NOTHING
    attributes = _call(method, base_url)
    if template:
        attributes[names.URL_TEMPLATE] = template
    return spans.below(f"{method} {template}" if template else method, SpanKind.CLIENT, attributes)


def waiting_for(name: str) -> OpenSpan:
    """Waiting for work that is done for several requests at once (:func:`asking_together`)."""
    return spans.below(name, SpanKind.INTERNAL, NO_ATTRIBUTES, current=False)


@contextmanager
def asking_together(base_url: str, waiting: Sequence[tuple[Ids, OpenSpan]]) -> Iterator[OpenSpan]:
    """A call by HTTP for those that wait, given by their ids and spans. Note the answer with :func:`got`.

    For a single one it is a part of that request. For several it is a trace of its own with ids of its own, linked to
    each.
    """
    recorder = spans.recorder()
    [(ids, parent), *others] = waiting
    if others:
        ids, parent = Ids(context.new_request_id(), context.new_traceparent()), NOTHING
    if recorder is None or not any(span.ids for _, span in waiting):
        with context.carrying(ids):
            yield NOTHING
        return
    links = [span.ids.traceparent for _, span in waiting if span.ids] if others else ()
    attributes = _call("POST", base_url)
    shown = parent if parent.ids else None
    opened = recorder.open("POST", SpanKind.CLIENT, attributes, request_id=ids.request_id, parent=shown, links=links)
    with opened as span:
        yield span


def _call(method: str, base_url: str) -> dict[str, str | int]:
    parts = urlsplit(base_url)
    attributes: dict[str, str | int] = {names.HTTP_REQUEST_METHOD: method, names.SERVER_ADDRESS: parts.hostname or ""}
    attributes[names.SERVER_PORT] = parts.port or (443 if parts.scheme == "https" else 80)
    return attributes


def got(span: OpenSpan, status: int) -> None:
    """The status of the answer to a call."""
    if span is NOTHING:
        return
    span.note({names.HTTP_RESPONSE_STATUS_CODE: status})
    if status >= 400:
        span.failed(str(status))


def transaction(database: str) -> OpenSpan:
    """One unit of work of a database, from waiting for a connection to the end of the commit. It isn't current: an
    event made inside belongs to the request, not to the transaction.
    """
    if spans.live() is None:
        return NOTHING
    attributes = {
        names.DB_SYSTEM_NAME: names.POSTGRESQL,
        names.DB_NAMESPACE: database,
        names.DB_OPERATION_NAME: "transaction",
    }
    return spans.below(f"transaction {database}", SpanKind.CLIENT, attributes, current=False)


def working(name: str, ids: Ids | None = None) -> AbstractContextManager[object]:
    """A piece of work that begins inside the service, with ids of its own (those of ``ids``, else new ones)."""
    request_id = ids.request_id if ids else context.new_request_id()
    parent = ids.traceparent if ids else None
    recorder = spans.recorder()
    if recorder is None:
        return context.bound(request_id, parent)
    return recorder.open(name, SpanKind.INTERNAL, NO_ATTRIBUTES, request_id=request_id, parent=parent)


def updating_page(cause: Ids | None) -> AbstractContextManager[object]:
    """What is done for an open page because of a change: with the change's ids, linked to the page's own request."""
    if cause is None:
        return NOTHING
    recorder, page = spans.recorder(), spans.live()
    if recorder is None:
        return context.carrying(cause)
    return recorder.open(
        "live update",
        SpanKind.INTERNAL,
        NO_ATTRIBUTES,
        request_id=cause.request_id,
        parent=cause.traceparent,
        links=[page.ids.traceparent] if page and page.ids else (),
    )


def pushed() -> None:
    """The open page is sent something new."""
    if span := spans.live():
        span.note({names.PUSHED: True})
