"""Whom a parked event speaks of. It was parked because it made no sense, so nothing is taken for granted."""

from __future__ import annotations

from typing import Any

from atlas_contracts.parked import ParkedData

Path = tuple[str, ...]
_STRIPE: tuple[Path, ...] = (("data", "object", "metadata", "userId"), ("data", "object", "client_reference_id"))
_BILLING: tuple[Path, ...] = (("data", "userId"), ("subject",))


def user_of(parked: ParkedData) -> str | None:
    """The user id that the event names, believed by nobody: it only says in whose list it is shown."""
    paths = _STRIPE if parked.kind == "stripe_event" else _BILLING
    named = (_at(parked.payload, path) for path in paths)
    return next((name for name in named if isinstance(name, str) and name), None)


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
