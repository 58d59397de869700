"""Lists with cursors and filters, newest first, as Stripe pages them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from stripe_sandbox.errors import invalid, no_such
from stripe_sandbox.store import INDEXED, Collection, Json, Store

DEFAULT_LIMIT, MAX_LIMIT = 10, 100
PAGING = frozenset(["limit", "starting_after", "ending_before", "created", "expand"])
FIELDS = {"ids": "id", "lookup_keys": "lookup_key"}  # parameters whose name differs from their field's
RANGE = frozenset(["gt", "gte", "lt", "lte"])
Matches = Callable[[Json], bool]


def list_objects(
    store: Store, kind: str, url: str, params: Json, handled: Iterable[str] = (), also: Matches | None = None
) -> Json:
    """One page of a collection.

    Each parameter filters by the field of the same name, so that no parameter is ignored. Those named in ``handled``
    are checked by ``also`` instead.
    """
    limit = params.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(f"Invalid limit: must be between 1 and {MAX_LIMIT}", "limit", "parameter_invalid_integer")
    if "starting_after" in params and "ending_before" in params:
        raise invalid("You can't pass both starting_after and ending_before.", "ending_before")
    others = params.keys() - PAGING - set(handled)
    wanted = {FIELDS.get(name, name): params[name] for name in sorted(others)}
    bounds = created_bounds(params.get("created"))
    backwards = "ending_before" in params

    def fits(item: Json) -> bool:
        return (
            all(matches(item.get(name), value) for name, value in wanted.items())
            and bounds.contain(item.get("created", 0))
            and (also is None or also(item))
        )

    candidates = walk(store.of(kind), kind, params, wanted, bounds)
    found = list(islice((item for item in candidates if fits(item)), limit + 1))
    page = found[:limit]
    return {
        "object": "list",
        "url": url,
        "has_more": len(found) > limit,
        "data": page[::-1] if backwards else page,
    }


def matches(value: Any, wanted: Any) -> bool:
    """Whether a field's value matches a filter: one of several values, a range, or the same in the given members."""
    if isinstance(wanted, list):
        return value in wanted
    if isinstance(wanted, dict) and wanted.keys() <= RANGE:
        return isinstance(value, int) and created_bounds(wanted).contain(value)
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(matches(value.get(name), child) for name, child in wanted.items())
    return bool(value == wanted)


def page_of(items: list[Json], kind: str, url: str, params: Json) -> Json:
    """One page of a list that belongs to another object, in its own order."""
    collection = Collection()
    for item in reversed(items):
        collection.put(item["id"], item)
    store = Store()
    store.collections[kind] = collection
    return list_objects(store, kind, url, params)


def walk(collection: Collection, kind: str, params: Json, wanted: Json, bounds: Bounds) -> Iterator[Json]:
    """The objects after the cursor, in the direction of paging."""
    cursor = params.get("starting_after") or params.get("ending_before")
    place: int | None = None
    if cursor is not None:
        place = collection.position.get(cursor)
        if place is None:
            raise no_such(kind, cursor, "starting_after" if "starting_after" in params else "ending_before", 400)
    if "ending_before" in params:
        return collection.oldest_first(-1 if place is None else place)
    indexed = next((name for name in wanted if name in INDEXED and isinstance(wanted[name], str)), None)
    if indexed is not None:
        narrowed = collection.having(indexed, wanted[indexed])
        return iter([item for item in narrowed if place is None or collection.position[item["id"]] < place])
    return bounds.stop_below(collection.newest_first(place))


class Bounds:
    """The ``created`` filter: a moment, or ``gt``/``gte``/``lt``/``lte``."""

    def __init__(self, low: int | None, high: int | None) -> None:
        self.low, self.high = low, high

    def contain(self, created: int) -> bool:
        """Whether a moment lies within."""
        return (self.low is None or created >= self.low) and (self.high is None or created <= self.high)

    def stop_below(self, newest_first: Iterator[Json]) -> Iterator[Json]:
        """End early: collections are ordered by creation, so nothing older can fit."""
        for item in newest_first:
            if self.low is not None and item.get("created", self.low) < self.low:
                return
            yield item


def created_bounds(created: Any) -> Bounds:
    """Inclusive bounds in whole seconds."""
    if created is None:
        return Bounds(None, None)
    if isinstance(created, int):
        return Bounds(created, created)
    lows = [created[name] + shift for name, shift in (("gt", 1), ("gte", 0)) if name in created]
    highs = [created[name] - shift for name, shift in (("lt", 1), ("lte", 0)) if name in created]
    return Bounds(max(lows, default=None), min(highs, default=None))


def embedded_list(items: list[Json], url: str) -> Json:
    """A list that is part of another object."""
    return {"object": "list", "data": items[:DEFAULT_LIMIT], "has_more": len(items) > DEFAULT_LIMIT, "url": url}
