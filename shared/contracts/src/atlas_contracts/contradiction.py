"""Whether a provider event that arrives again contradicts what arrived first under the same id.

A harmless repetition may differ in its bytes: a redelivery has another count of pending webhooks, a pull gets the event
in another API version with more fields. So the facts are compared, not the bytes, and only facts that both have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHANGED_CONTENT = "changed_content"
"""The reason with which an event is parked that contradicts the first event of its id."""

_ABOUT_THE_ARRIVAL = frozenset(
    {"eventId", "receivedAt", "via", "payloadHash", "signatureVerified", "schemaVersion", "idempotencyKey"}
)


def contradiction(first: Mapping[str, Any], again: Mapping[str, Any]) -> str | None:
    """The dotted name of a fact in which ``again`` contradicts ``first``; None when there is none.

    Both are the ``data`` of a billing event as sent (camelCase, times as text).
    """
    for name in first.keys() & again.keys() - _ABOUT_THE_ARRIVAL:
        one, other = first[name], again[name]
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            deeper = contradiction(one, other)
            if deeper:
                return f"{name}.{deeper}"
        elif one is not None and other is not None and one != other:
            return name
    return None
