"""Which users a parked event is about. It was parked as unreadable, so no field is taken to be present or valid."""

from __future__ import annotations

import json
from typing import Any

from atlas_contracts.parked import ParkedData

Path = tuple[str, ...]
_STRIPE: tuple[Path, ...] = (("data", "object", "metadata", "userId"), ("data", "object", "client_reference_id"))
_BILLING: tuple[Path, ...] = (("data", "userId"), ("subject",))


def user_of(parked: ParkedData) -> str | None:
    """The user id that the event names, unchecked: it is only used to show the event in that user's list."""
    paths = _STRIPE if parked.kind == "stripe_event" else _BILLING
    named = (_at(parked.payload, path) for path in paths)
    return next((name for name in named if isinstance(name, str) and name), None)


def mentions(parked: ParkedData, user_id: str) -> bool:
    """Whether a text anywhere in the event is this user's id, or, where the event is no JSON, whether it stands quoted
    in it. More than :func:`user_of` sees: an event that contradicts itself names two users.
    """
    if isinstance(parked.payload, str):
        return any(json.dumps(user_id, ensure_ascii=ascii_only) in parked.payload for ascii_only in (True, False))
    waiting: list[Any] = [parked.payload]
    while waiting:
        match waiting.pop():
            case dict() as inner:
                waiting += [*inner.values(), *inner]
            case list() as inner:
                waiting += inner
            case str() as text if text.strip() == user_id:
                return True
    return False


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
