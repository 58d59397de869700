"""Differences between two JSON Schemas: what the release's allows and today's refuses, and the other way round.

Where today's refuses what the release's allowed, writers of the release break; where it allows more, readers. One thing
differs from pure inclusion: a new optional field breaks nobody, since readers ignore what they don't know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from support.compatibility.differences import BOTH, READERS, VALUES_ADDED, VALUES_OPENED, WRITERS, Difference
from support.compatibility.shapes import OF_TYPE, UNKNOWN, Schema, Shape, shape

LOWER, UPPER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")  # fmt: skip
FORMS = ("pattern", "format", "multipleOf", "uniqueItems")
DEEPEST = 40
"""Levels of nesting, far more than a document of ours has: a model that contains itself ends here."""


class Comparison:
    """Of two schemas, each with the document into which its references lead."""

    def __init__(self, released: Schema, today: Schema) -> None:
        self._released, self._today = released, today

    def of(self, was: Any, now: Any, path: str = "", depth: int = 0) -> Iterator[Difference]:
        """Every difference between ``was`` and ``now``. ``path`` is told as it would be reached in JSON."""
        if depth > DEEPEST:
            return
        old, new = shape(was, self._released), shape(now, self._today)
        yield from _types(old, new, path)
        for kind in OF_TYPE:
            if kind in old and kind in new and not (kind == "integer" and old.get("number") == old[kind] and new.get("number") == new[kind]):
                yield from self._alternatives(old[kind], new[kind], path, depth)

    def _alternatives(self, old: list[Schema], new: list[Schema], path: str, depth: int) -> Iterator[Difference]:
        if all("enum" in rules and len(rules) == 1 for rules in old + new):
            old, new = ([{"enum": [value for rules in rules_of for value in rules["enum"]]}] for rules_of in (old, new))
        if len(old) != len(new):
            yield Difference(path, "not understood", BOTH, f"{len(old)} alternatives", f"{len(new)} alternatives")
            return
        for this, that in zip(old, new, strict=True):
            yield from _values(this, that, path)
            yield from _limits(this, that, path)
            yield from _forms(this, that, path)
            yield from self._fields(this, that, path, depth)
            yield from self._further_fields(this, that, path, depth)
            if "items" in this or "items" in that:
                yield from self.of(this.get("items", True), that.get("items", True), f"{path}[]", depth + 1)
            if this.get(UNKNOWN) != that.get(UNKNOWN):
                yield Difference(path, "not understood", BOTH, _shown(this.get(UNKNOWN)), _shown(that.get(UNKNOWN)))

    def _fields(self, old: Schema, new: Schema, path: str, depth: int) -> Iterator[Difference]:
        before, after = old.get("properties", {}), new.get("properties", {})
        had, has = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(before.keys() | after.keys()):
            place = f"{path}.{name}" if path else name
            if name not in after:
                yield Difference(place, "field removed", BOTH)
            elif name not in before:
                if name in has:
                    yield Difference(place, "required field added", WRITERS)
                if old.get("additionalProperties") is False:
                    yield Difference(place, "field added that readers refuse", READERS)
            else:
                if name in has - had:
                    yield Difference(place, "became required", WRITERS)
                if name in had - has:
                    yield Difference(place, "no longer always there", READERS)
                defaults = [shown for schema in (before[name], after[name]) if (shown := _default(schema)) is not None]
                if len(set(defaults)) == 2:
                    yield Difference(place, "default changed", BOTH, *defaults)
                yield from self.of(before[name], after[name], place, depth + 1)

    def _further_fields(self, old: Schema, new: Schema, path: str, depth: int) -> Iterator[Difference]:
        before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if before == after:
            return
        if after is False:
            yield Difference(path, "further fields refused", WRITERS)
        elif before is False:
            yield Difference(path, "further fields allowed", READERS)
        else:
            yield from self.of(before, after, f"{path}.*", depth + 1)


def compared(was: Schema, now: Schema) -> list[Difference]:
    """Of two whole documents, each of which is one schema."""
    return list(dict.fromkeys(Comparison(was, now).of(was, now)))


def _types(old: Shape, new: Shape, path: str) -> Iterator[Difference]:
    gone, come = old.keys() - new.keys(), new.keys() - old.keys()
    was, now = ", ".join(sorted(old)), ", ".join(sorted(new))
    if gone - {"null"} and come - {"null"}:
        yield Difference(path, "type changed", BOTH, was, now)
        return
    if "null" in gone:
        yield Difference(path, "may not be null any more", WRITERS)
    if "null" in come:
        yield Difference(path, "may be null now", READERS)
    if gone - {"null"}:
        yield Difference(path, "type narrowed", WRITERS, was, now)
    if come - {"null"}:
        yield Difference(path, "type widened", READERS, was, now)


def _values(old: Schema, new: Schema, path: str) -> Iterator[Difference]:
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is not None:
        yield Difference(path, "closed to a list of values", WRITERS, "any", _shown(after))
    elif before is not None and after is None:
        yield Difference(path, VALUES_OPENED, READERS, _shown(before), "any")
    elif before is not None and after is not None:
        if come := [value for value in after if value not in before]:
            yield Difference(path, VALUES_ADDED, READERS, _shown(before), f"{_shown(come)} as well")
        if gone := [value for value in before if value not in after]:
            yield Difference(path, "values removed", WRITERS, _shown(before), f"without {_shown(gone)}")


def _limits(old: Schema, new: Schema, path: str) -> Iterator[Difference]:
    for word in LOWER + UPPER:
        before, after = old.get(word), new.get(word)
        if before == after:
            continue
        lower = before is not None and after is not None and after < before
        tighter = before is None or (after is not None and lower == (word in UPPER))
        kind, broken = ("limit tightened", WRITERS) if tighter else ("limit loosened", READERS)
        yield Difference(path, kind, broken, f"{word} {before}" if before is not None else "none", f"{word} {after}" if after is not None else "none")


def _forms(old: Schema, new: Schema, path: str) -> Iterator[Difference]:
    for word in FORMS:
        before, after = old.get(word), new.get(word)
        if before != after:
            kind, broken = ("limit tightened", WRITERS) if before is None else ("limit loosened", READERS) if after is None else ("form changed", BOTH)
            yield Difference(path, kind, broken, f"{word} {_shown(before)}", f"{word} {_shown(after)}")


def _default(schema: Any) -> str | None:
    return _shown(schema["default"]) if isinstance(schema, dict) and "default" in schema else None


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
