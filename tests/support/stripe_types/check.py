"""Is an object what the types of Stripe's npm package say? Every difference is told with its path."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

TYPES_FILE = Path(__file__).with_name("types.json")
SCALARS: dict[str, tuple[type, ...]] = {"string": (str,), "number": (int, float), "boolean": (bool,)}
EVENT = "Events:EventBase"


@functools.cache
def load() -> dict[str, Any]:
    """The committed types, read once."""
    types: dict[str, Any] = json.loads(TYPES_FILE.read_text(encoding="utf-8"))
    return types


def problems(item: Any) -> list[str]:
    """What is wrong with one API answer: an object, a list, a search result or an event."""
    name = item.get("object")
    if name in {"list", "search_result"}:
        return page_problems(item, "any", name)
    if name == "event":
        return event_problems(item)
    return named(item, name)


def named(item: Any, path: str) -> list[str]:
    """An object by its ``object`` member."""
    kinds = load()["objects"].get(item.get("object"))
    if kinds is None:
        return [f"{path}: no object is called {item.get('object')}"]
    return differences(item, {"any": [{"ref": kind} for kind in kinds]}, path)


def event_problems(event: Any) -> list[str]:
    """An event: its frame, its object, and ``previous_attributes`` as part of such an object."""
    kind = load()["events"].get(event["type"])
    if kind is None:
        return [f"event: no type is called {event['type']}"]
    frame = {**event, "data": {"object": {}}}
    inner = event["data"]
    path = f"event {event['type']}"
    found = differences(frame, {"ref": EVENT}, path) + differences(inner["object"], {"ref": kind}, f"{path}.object")
    if "previous_attributes" in inner:
        found += differences(inner["previous_attributes"], {"partial": {"ref": kind}}, f"{path}.previous_attributes")
    unknown = set(inner) - {"object", "previous_attributes"}
    return found + [f"{path}.data: unknown {sorted(unknown)}"] * bool(unknown)


def differences(
    value: Any, kind: Any, path: str, *, loose: bool = False
) -> list[str]:
    """Where a value isn't of a type. ``loose``: as in ``previous_attributes``, of hashes only what changed is told, and
    what wasn't there before is told as null.
    """
    if kind == "any" or (loose and value is None):
        return []
    if isinstance(kind, str):
        return scalar_differences(value, kind, path)
    (form, inner), *_ = kind.items()
    if form == "any":
        return min((differences(value, member, path, loose=loose) for member in ordered(inner, value)), key=weight)
    if form == "enum":
        return [] if value in inner and isinstance(value, type(inner[0])) else [f"{path}: {value!r} is none of {inner[:8]}"]
    if form == "page":
        return page_problems(value, inner, path)
    if form == "list":
        if not isinstance(value, list):
            return [f"{path}: a list expected, not {value!r}"]
        return [each for place, child in enumerate(value) for each in differences(child, inner, f"{path}[{place}]")]
    if not isinstance(value, dict):
        return [f"{path}: an object expected, not {value!r}"]
    if form == "map":
        return [each for key, child in value.items() for each in differences(child, inner, f"{path}[{key}]", loose=loose)]
    if form == "partial":
        return differences(value, inner, path, loose=True)
    return member_differences(value, inner if form == "inline" else load()["types"][inner], path, loose=loose)


def member_differences(value: Any, members: dict[str, Any], path: str, *, loose: bool = False) -> list[str]:
    """Members missing, unknown or of another type."""
    if "*?" in members:
        return [each for key, child in value.items() for each in differences(child, members["*?"], f"{path}.{key}")]
    known = {name.rstrip("?"): kind for name, kind in members.items()}
    required = [] if loose else [name for name in members if not name.endswith("?")]
    found = [f"{path}.{name}: missing" for name in required if name not in value]
    found += [f"{path}.{name}: unknown" for name in value if name not in known]
    for name, child in value.items():
        if name in known:
            found += differences(child, known[name], f"{path}.{name}", loose=loose)
    return found


def page_problems(value: Any, kind: Any, path: str) -> list[str]:
    """A list with its data; what the items are is known by their own ``object`` where the type doesn't say."""
    if not isinstance(value, dict) or value.get("object") not in {"list", "search_result"}:
        return [f"{path}: a list object expected, not {value!r}"]
    search = {"next_page?": {"any": ["string", "null"]}, "total_count?": "number"}
    extra = search if value["object"] == "search_result" else {}
    frame = {"object": "string", "data": "any", "has_more": "boolean", "url": "string", **extra}
    found = member_differences(value, frame, path)
    for place, item in enumerate(value["data"]):
        found += problems(item) if kind == "any" else differences(item, kind, f"{path}[{place}]")
    return found


def scalar_differences(value: Any, kind: str, path: str) -> list[str]:
    if kind == "null":
        return [] if value is None else [f"{path}: null expected, not {value!r}"]
    fits = isinstance(value, SCALARS[kind]) and (kind == "boolean" or not isinstance(value, bool))
    return [] if fits else [f"{path}: {kind} expected, not {value!r}"]


def ordered(members: list[Any], value: Any) -> list[Any]:
    """The members of a union that a value can be; all when none can."""

    def can_be(member: Any) -> bool:
        if member == "any":
            return True
        if isinstance(member, str):
            return not scalar_differences(value, member, "")
        form = next(iter(member))
        if form == "enum":
            return not isinstance(value, dict | list) and value is not None
        return isinstance(value, list) if form == "list" else isinstance(value, dict)

    return [member for member in members if can_be(member)] or members


def weight(found: list[str]) -> int:
    return len(found)
