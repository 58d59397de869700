"""Headers of messages, and the broker's answers to a publish, as bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from atlas_contracts.cloudevents import CONTENT_TYPE
from atlas_contracts.streams import StreamSpec
from atlas_kit.process import context

_USUAL_ANSWER = re.compile(rb'\{"stream":"[^"\\]+", ?"seq":([0-9]{1,18})\}')


def answer_read(answer: bytes) -> Mapping[str, Any]:
    """JetStream's answer to a publish. Raises ValueError when it is no JSON object."""
    usual = _USUAL_ANSWER.fullmatch(answer)
    if usual:
        return {"seq": int(usual[1])}
    told = json.loads(answer)
    if not isinstance(told, dict):
        raise ValueError("no object")  # noqa: TRY004 - one error for whatever can't be read
    return told


def message_headers(message_id: str, stream: StreamSpec, ids: context.Ids | None = None) -> bytes:
    """The headers of an event: the message id by which the broker drops duplicates, the stream that must store it, and
    the ids under which it was made, by default those of the current request.

    Raises ValueError for a message id with a line break.
    """
    request_id = ids.request_id if ids else context.current_request_id()
    traceparent = ids.traceparent if ids else context.current_traceparent()
    return (
        _line("Nats-Msg-Id", message_id) + f"Nats-Expected-Stream: {stream.name}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"traceparent: {traceparent}\r\nx-request-id: {request_id}\r\n"
    ).encode()


def batch_headers(batch_id: str, number: int, *, last: bool) -> bytes:
    """What a message's headers have in addition as the one of this number in a batch; the last one ends the batch."""
    commit = "Nats-Batch-Commit: 1\r\n" if last else ""
    return f"Nats-Batch-Id: {batch_id}\r\nNats-Batch-Sequence: {number}\r\n{commit}".encode()


def _line(name: str, value: str) -> str:
    if "\r" in value or "\n" in value:
        raise ValueError(f"a line break in {name}")
    return f"{name}: {value}\r\n"
