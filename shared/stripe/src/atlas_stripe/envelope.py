"""Reads a Stripe event from the bytes of a webhook. The signature was checked before; the content is checked here.

A Stripe v1 event is a JSON object with string ``id`` and ``type``, integer ``created`` and object ``data.object``. JSON
is read strictly: UTF-8, no NaN or Infinity, no number beyond a double or 4,300 digits, no lone surrogate, and no name
twice in one object, because two readers could then understand two different events.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pydantic_core import from_json

from atlas_contracts.public_api import Recovery
from atlas_kit.http.errors import InvalidRequest

MAX_BODY_BYTES = 256 * 1024
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class InvalidPayload(InvalidRequest):
    """Invalid webhook payload. ``reason`` is a stable word for logs and metrics."""

    default_message = "Invalid webhook payload."
    default_recovery = Recovery.NONE

    def __init__(self, reason: str = "invalid_payload") -> None:
        super().__init__()
        self.reason = reason


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return members


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large for a double")
    return value


def _no_constant(_name: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant)


def read_event(body: bytes) -> dict[str, Any]:
    """The event in ``body``. Raises InvalidPayload if ``body`` is not a Stripe v1 event."""
    try:
        event = _DECODER.decode(body.decode())
        if b"\\" in body and _SURROGATE_ESCAPE.search(body):
            from_json(body)  # refuses lone surrogates, which Python's own reader accepts
    except (ValueError, RecursionError) as error:
        raise InvalidPayload from error
    if not is_event(event):
        raise InvalidPayload("thin_event" if _is_thin(event) else "invalid_payload")
    found: dict[str, Any] = event
    return found


def is_event(event: Any) -> bool:
    """Whether this has the fields that every Stripe v1 event has (see the module)."""
    if not isinstance(event, dict):
        return False
    created, data = event.get("created"), event.get("data")
    return (
        isinstance(event.get("id"), str)
        and isinstance(event.get("type"), str)
        and isinstance(created, int)
        and not isinstance(created, bool)
        and isinstance(data, dict)
        and isinstance(data.get("object"), dict)
    )


def _is_thin(event: Any) -> bool:
    """Whether this is an event of Stripe's v2 API. It only names its object without containing it, so it is refused."""
    return isinstance(event, dict) and event.get("object") == "v2.core.event"


def holds_nul(body: bytes) -> bool:
    """Whether the body contains an escaped U+0000. JSON allows it, Postgres can't store it, Stripe never sends it."""
    return b"\\" in body and b"\\u0000" in body and _NUL_ESCAPE.search(body) is not None
