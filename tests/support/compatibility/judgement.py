"""Who reads and who writes each document, which lists of values are open, and what of the differences remains breaking."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from support.compatibility import asyncapi, openapi
from support.compatibility.differences import (
    BOTH,
    NOBODY,
    READERS,
    VALUES_ADDED,
    VALUES_OPENED,
    WRITERS,
    Difference,
    Party,
)
from support.compatibility.json_schema import Comparison, compared
from support.compatibility.shapes import Schema

Documents = Mapping[str, Schema]
"""By path in a release's folder."""

OPEN = {
    "via": "the way in which a fact reached us; new doors open (backfill, import), and no reader decides by it",
    "reason": "why, in one stable word: shown and counted; status, isPro and outcome are what readers decide by",
    "because": "why a verdict is so, in one stable word: for people and counts, beside grants and needsReview",
}
"""Fields whose values readers must expect to grow (CONTRACT.md, section 13), and why that breaks nobody."""

CALLERS = "callers.json"
ANSWERED_TO_OTHERS = frozenset({"schemas/public_api.json", "schemas/read_api.json"})
"""Documents of models whose answers only others read. Answers in all others also reach services of ours of another
version, which may be older than the asker or newer: a new field of theirs has a default (docs/decisions/0010)."""
REQUESTS = re.compile(r"(Request|Query)$|^ToldAgain$")
"""Names of models that are the body of a request."""
OUTLINE = frozenset("eventId provider providerEventId userId productKey planType occurredAt receivedAt payloadHash signatureVerified schemaVersion refs".split())  # fmt: skip
"""Fields of a billing event's data that every schema version has: no newer one excuses a change of theirs."""


def differences(released: Documents, today: Documents, *, newer_schema_version: bool = False) -> list[Difference]:
    """Every difference, with whom it breaks after all: nobody, for a compatible one.

    ``newer_schema_version``: SCHEMA_VERSION was raised since the release, so that its readers set events aside that use
    what it doesn't know (docs/decisions/0010). Whether such an event says so is for the mapping's tests to see.
    """
    found = []
    for path, document in released.items():
        for one in _of(path, document, today):
            found.append(replace(_forgiven(one, path, newer_schema_version=newer_schema_version), document=path))
    return list(dict.fromkeys(found))


def breaking(found: list[Difference]) -> list[Difference]:
    return [one for one in found if one.breaks]


def _of(path: str, document: Schema, today: Documents) -> Iterator[Difference]:
    if path not in today and not _only_models(document):
        yield Difference("", "document removed", READERS)
    elif path == CALLERS:
        yield from _callers(document, today[path])
    elif "openapi" in document:
        yield from openapi.compared(document, today[path])
    elif "asyncapi" in document:
        yield from asyncapi.compared(document, today[path])
    elif _only_models(document):
        yield from _models(path, document, today)
    else:
        yield from compared(document, today[path])


def _only_models(document: Schema) -> bool:
    return "$defs" in document and "properties" not in document


def _models(path: str, document: Schema, today: Documents) -> Iterator[Difference]:
    """Models that no other one contains: those are the bodies. A model may have moved to another document."""
    places = [today[path]] if path in today else []
    places += [other for other in today.values() if _only_models(other) and other not in places]
    for name in sorted(bodies(document)):
        home = next((other for other in places if name in other["$defs"]), None)
        if home is None:
            yield Difference(name, "model removed", BOTH)
            continue
        for one in Comparison(document, home).of(document["$defs"][name], home["$defs"][name]):
            place = f"{name}.{one.path}" if one.path else name
            yield replace(one, path=place).among(parties(path, name))


def bodies(document: Schema) -> set[str]:
    contained = {name for schema in document["$defs"].values() for name in re.findall(r"'#/\$defs/([^']+)'", repr(schema))}
    return document["$defs"].keys() - contained


def parties(path: str, model: str) -> frozenset[Party]:
    """Who of the release can meet today's form of a model."""
    if REQUESTS.search(model):
        return WRITERS
    return READERS if path in ANSWERED_TO_OTHERS else BOTH


def _callers(was: Schema, now: Schema) -> Iterator[Difference]:
    for service, routes in was.items():
        for route, callers in routes.items():
            if route not in now.get(service, {}):
                yield Difference(f"{service} {route}", "route removed", WRITERS)
                continue
            for caller in sorted(set(callers) - set(now[service][route])):
                yield Difference(f"{service} {route} {caller}", "caller removed", WRITERS)


def _forgiven(one: Difference, document: str, *, newer_schema_version: bool) -> Difference:
    field = one.path.rpartition(".")[2].removesuffix("[]")
    if field in OPEN and one.kind in (VALUES_ADDED, VALUES_OPENED):
        return replace(one, breaks=NOBODY)
    inside = document.startswith("schemas/billing.v1.") and one.path.startswith("data.")
    if newer_schema_version and inside and one.path.split(".")[1] not in OUTLINE and one.breaks == READERS:
        return replace(one, breaks=NOBODY)
    return one
