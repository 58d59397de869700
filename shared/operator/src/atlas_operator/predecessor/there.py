"""What the web app itself makes of a user: its own reading of its rows, right or wrong."""

from __future__ import annotations

from typing import Any

from atlas_operator.predecessor.meaning import OF_PRO_ENTITLEMENT, projection_of
from atlas_operator.predecessor.rows import Person

NOBODY: dict[str, Any] = {"isPro": False, "status": "none", "source": None}


def verdict_there(person: Person) -> dict[str, Any]:
    """``{isPro, status, source}``: the projection where there is one, else ProEntitlement."""
    projection = projection_of(person)
    if projection is not None:
        return _told(projection["status"], projection["provider"])
    if person.pro is not None:
        return _told(person.pro["status"], OF_PRO_ENTITLEMENT.get(person.pro["source"], person.pro["source"]))
    return dict(NOBODY)


def _told(status: str, source: str | None) -> dict[str, Any]:
    return {"isPro": status == "active", "status": status, "source": None if status == "none" else source}
