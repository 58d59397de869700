"""Spans of what is done with events on the broker.

The trace context in a message's header, which is also the event's member ``traceparent``, is that of the span in which
the event was made: :func:`publishing`, or :func:`creating` where an outbox lies between making and sending.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from atlas_kit.process import context
from atlas_kit.process.context import Ids
from atlas_kit.tracing import names, spans
from atlas_kit.tracing.names import Operation, SpanKind
from atlas_kit.tracing.spans import NOTHING, Attributes, OpenSpan

UNNAMED = "publish"
"""Name of a publishing span whose event isn't made yet."""
_STRIPES = "stripe:evt_"
"""How ids of Stripe's own events begin."""


@dataclass(frozen=True, slots=True)
class Processed:
    """One message of a batch: its subject, the ids that came with it, its event, and the user it is about, digested."""

    subject: str
    ids: Ids
    event_id: str
    user: str | None


def publishing() -> OpenSpan:
    """A span in which one event is made and published; :func:`name_publishing` says which."""
    return spans.below(UNNAMED, SpanKind.PRODUCER, _about(Operation.SEND, "publish"))


def name_publishing(subject: str, message_id: str) -> bool:
    """Name the :func:`publishing` span that is open and has no name yet. Returns whether there is one."""
    live = spans.live()
    if live is None or live.name != UNNAMED:
        return False
    live.rename(f"publish {subject}")
    live.note({**_about(Operation.SEND, "publish", subject), **_named(message_id)})
    return True


def sending(subject: str, message_id: str) -> OpenSpan:
    """The sending of one event: names the :func:`publishing` span around it, or else is a span of its own."""
    if spans.live() is None or name_publishing(subject, message_id):
        return NOTHING
    about = {**_about(Operation.SEND, "publish", subject), **_named(message_id)}
    return spans.below(f"publish {subject}", SpanKind.PRODUCER, about, current=False)


def creating(subject: str, ids: Ids) -> AbstractContextManager[object]:
    """The making of an event that an outbox publishes later, in the trace of the fact that causes it."""
    return _in_trace_of(ids, SpanKind.PRODUCER, Operation.CREATE, "create", subject)


def relaying(subject: str, ids: Ids) -> OpenSpan:
    """The sending of an event that was made before. The span in which it was made stays the one in its header."""
    recorder = spans.recorder()
    if recorder is None:
        return NOTHING
    return recorder.open(
        f"publish {subject}",
        SpanKind.CLIENT,
        _about(Operation.SEND, "publish", subject),
        request_id=ids.request_id,
        parent=ids.traceparent,
        current=False,
    )


def receiving(subject: str, headers: Mapping[str, str] | None, consumer: str) -> OpenSpan:
    """The handling of one message."""
    recorder = spans.recorder()
    if recorder is None:
        return NOTHING
    told = headers or {}
    return recorder.open(
        f"process {subject}",
        SpanKind.CONSUMER,
        {**_about(Operation.PROCESS, "process", subject), names.MESSAGING_CONSUMER_GROUP_NAME: consumer},
        request_id=context.accept_request_id(told.get("x-request-id")),
        parent=told.get("traceparent"),
    )


def settling(subject: str, ids: Ids) -> AbstractContextManager[object]:
    """Deciding what becomes of a message that could not be handled."""
    return _in_trace_of(ids, SpanKind.CONSUMER, Operation.SETTLE, "settle", subject)


def _in_trace_of(
    ids: Ids, kind: SpanKind, operation: Operation, verb: str, subject: str
) -> AbstractContextManager[object]:
    """Work in the trace that ``ids`` name, whether spans are recorded or not."""
    recorder = spans.recorder()
    if recorder is None:
        return context.bound(ids.request_id, ids.traceparent)
    about = _about(operation, verb, subject)
    return recorder.open(f"{verb} {subject}", kind, about, request_id=ids.request_id, parent=ids.traceparent)


@contextmanager
def processing(stream: str, consumer: str, messages: Sequence[Processed]) -> Iterator[list[Ids]]:
    """The handling of a batch: a span of its own with a link to each message, and for each message a span in its own
    trace, whose ids are given. Call it only while tracing is on.
    """
    recorder = spans.recorder()
    assert recorder, "tracing is off"
    group = {names.MESSAGING_CONSUMER_GROUP_NAME: consumer}
    batch = recorder.open(
        f"process {stream}",
        SpanKind.CONSUMER,
        {
            **_about(Operation.PROCESS, "process", stream),
            **group,
            names.MESSAGING_BATCH_MESSAGE_COUNT: len(messages),
        },
        request_id=context.new_request_id(),
        parent=None,
        links=[message.ids.traceparent for message in messages],
    )
    assert batch.ids
    with ExitStack() as stack:
        processed = []
        for message in messages:
            about = {**_about(Operation.PROCESS, "process", message.subject), **group}
            about |= _named(message.event_id)
            if message.user:
                about[names.ENDUSER_PSEUDO_ID] = message.user
            span = recorder.open(
                f"process {message.subject}",
                SpanKind.CONSUMER,
                about,
                request_id=message.ids.request_id,
                parent=message.ids.traceparent,
                links=[batch.ids.traceparent],
                current=False,
            )
            processed.append(stack.enter_context(span).ids or message.ids)
        stack.enter_context(batch)
        yield processed


def _named(message_id: str) -> dict[str, str]:
    """The message's id, where Stripe has made it: ours may hold a user's id or a checkout session's."""
    return {names.MESSAGING_MESSAGE_ID: message_id} if message_id.startswith(_STRIPES) else {}


def _about(operation: Operation, name: str, destination: str | None = None) -> Attributes:
    told = {
        names.MESSAGING_SYSTEM: names.NATS,
        names.MESSAGING_OPERATION_TYPE: operation.value,
        names.MESSAGING_OPERATION_NAME: name,
    }
    return {**told, names.MESSAGING_DESTINATION_NAME: destination} if destination else told
