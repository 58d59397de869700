"""Whether the same provider event, told once more, says something else than it said first.

An honest repetition may differ: a redelivery counts other pending webhooks, a pull is rendered in another API version
and knows fields that the first one did not. So the facts are compared, not the bytes, and only where both say
something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHANGED_CONTENT = "changed_content"
"""Reason of what is parked because it came second and says something else."""

_ABOUT_THE_ARRIVAL = frozenset(
    {"eventId", "receivedAt", "via", "payloadHash", "signatureVerified", "schemaVersion", "idempotencyKey"}
)


def contradiction(first: Mapping[str, Any], again: Mapping[str, Any]) -> str | None:
    """The dotted name of a fact in which ``again`` contradicts ``first``; None when there is none.

    Both are the ``data`` of a billing event as it travels (camelCase, times as text).
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
