"""Differences between two OpenAPI documents. A request is written by clients and read by us, an answer the other way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from support.compatibility.differences import BOTH, READERS, WRITERS, Difference
from support.compatibility.json_schema import Comparison
from support.compatibility.shapes import Schema, resolved

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


def without_names(path: str) -> str:
    """A path whose parameters have no names: ``/users/{user}`` and ``/users/{id}`` are the same to a client."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def compared(was: Schema, now: Schema) -> list[Difference]:
    """Every difference that a client of the release could meet."""
    return list(dict.fromkeys([*_routes(was, now), *_schemes(was, now)]))


def _routes(was: Schema, now: Schema) -> Iterator[Difference]:
    before, after = _operations(was), _operations(now)
    for route, old in before.items():
        if route not in after:
            yield Difference(route, "route removed", WRITERS)
            continue
        new = after[route]
        comparison = Comparison(was, now)
        yield from _parameters(route, old, new, comparison, (was, now))
        yield from _body(route, old, new, comparison)
        yield from _answers(route, old, new, comparison)
        yield from _sign_in(route, old.get("security", was.get("security", [])), new.get("security", now.get("security", [])))
        if old.get("operationId") != new.get("operationId"):
            yield Difference(route, "name changed", WRITERS, str(old.get("operationId")), str(new.get("operationId")))


def _operations(document: Schema) -> dict[str, Schema]:
    found = {}
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                shared = item.get("parameters", [])
                operation = item[method]
                found[f"{method.upper()} {without_names(path)}"] = {**operation, "parameters": shared + operation.get("parameters", [])}
    return found


def _parameters(route: str, old: Schema, new: Schema, comparison: Comparison, documents: tuple[Schema, Schema]) -> Iterator[Difference]:
    before, after = ({(one["in"], one["name"]): one for one in map(lambda p, d=document: resolved(p["$ref"], d) if "$ref" in p else p, operation["parameters"]) if one["in"] != "path"} for operation, document in zip((old, new), documents, strict=True))  # fmt: skip
    for key, one in before.items():
        place = f"{route} {key[0]} {key[1]}"
        if key not in after:
            yield Difference(place, "parameter removed", WRITERS)
            continue
        if after[key].get("required") and not one.get("required"):
            yield Difference(place, "became required", WRITERS)
        for found in comparison.of(one.get("schema", True), after[key].get("schema", True), place):
            yield found.among(WRITERS)
    for key, one in after.items():
        if key not in before and one.get("required"):
            yield Difference(f"{route} {key[0]} {key[1]}", "required field added", WRITERS)


def _body(route: str, old: Schema, new: Schema, comparison: Comparison) -> Iterator[Difference]:
    before, after = old.get("requestBody"), new.get("requestBody")
    place = f"{route} request"
    if before is None:
        if after and after.get("required"):
            yield Difference(place, "required field added", WRITERS)
        return
    if after is None:
        yield Difference(place, "body removed", WRITERS)
        return
    if after.get("required") and not before.get("required"):
        yield Difference(place, "became required", WRITERS)
    yield from _contents(place, before, after, comparison, WRITERS)


def _answers(route: str, old: Schema, new: Schema, comparison: Comparison) -> Iterator[Difference]:
    before, after = old.get("responses", {}), new.get("responses", {})
    for status, one in before.items():
        place = f"{route} {status}"
        if status not in after:
            # A client loses nothing when a fault doesn't happen any more.
            if not status.startswith(("4", "5")):
                yield Difference(place, "answer removed", READERS)
            continue
        yield from _contents(place, one, after[status], comparison, READERS)
        for name in sorted({name.lower() for name in one.get("headers", {})} - {name.lower() for name in after[status].get("headers", {})}):
            yield Difference(f"{place} header {name}", "header removed", READERS)
    for status in after:
        # An error comes in the envelope, whose recovery says what to do: a new status for one breaks nobody.
        if status not in before and not status.startswith(("4", "5")):
            yield Difference(f"{route} {status}", "answer added", READERS)


def _contents(place: str, old: Schema, new: Schema, comparison: Comparison, parties: frozenset[Any]) -> Iterator[Difference]:
    before, after = old.get("content", {}), new.get("content", {})
    for kind, one in before.items():
        if kind not in after:
            yield Difference(f"{place} {kind}", "content type removed", parties)
            continue
        for found in comparison.of(one.get("schema", True), after[kind].get("schema", True), f"{place}:"):
            yield found.among(parties)


def _sign_in(route: str, before: list[Schema], after: list[Schema]) -> Iterator[Difference]:
    ways = [way for way in before or [{}] if way not in (after or [{}]) and {} not in (after or [{}])]
    if ways:
        yield Difference(route, "sign-in tightened", WRITERS, str(before), str(after))


def _schemes(was: Schema, now: Schema) -> Iterator[Difference]:
    before, after = (document.get("components", {}).get("securitySchemes", {}) for document in (was, now))
    for name, scheme in before.items():
        old, new = ({word: value for word, value in one.items() if word != "description"} for one in (scheme, after.get(name, {})))
        if old != new:
            yield Difference(f"security scheme {name}", "sign-in tightened", BOTH, str(old), str(new))
