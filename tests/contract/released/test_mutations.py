"""Every kind of change, made at places all over the real schemas, is told by its name and by whom it breaks.

A row is a change of one field; "nobody" means that the change is compatible. Who can meet a document at all (a request
has writers only, an answer of the public API readers only) is in test_judgement.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest

from atlas_contracts.schema_documents import documents
from support.compatibility.differences import BOTH, READERS, WRITERS, Difference, Party
from support.compatibility.examples import value_of
from support.compatibility.json_schema import Comparison, compared
from support.compatibility.judgement import bodies
from support.compatibility.shapes import Schema, resolved

NAMES = ("billing.v1.refund_issued", "entitlements.v1.entitlement_updated", "parked.v1.event", "parked.v1.redriven", "internal_api", "public_api")  # fmt: skip
EVERY_DOCUMENT = documents()
DOCUMENTS = {name: EVERY_DOCUMENT[f"schemas/{name}.json"] for name in NAMES}
PLACES = 30
"""At most so many of a mutation's places are tried, spread evenly over all of them."""
VALIDATED = 5
"""Of those, about so many are also tried with a validator, which takes longer."""
PLAIN = ("enum", "const", "format", "pattern", "minLength", "maxLength")


@dataclass
class Field:
    """A field of one object schema. ``form`` is its schema without null, behind any reference."""

    owner: Schema
    name: str
    document: Schema

    @property
    def schema(self) -> Schema:
        return self.owner["properties"][self.name]

    @schema.setter
    def schema(self, value: Schema) -> None:
        self.owner["properties"][self.name] = value

    @property
    def form(self) -> Schema:
        found = next((one for one in self.schema.get("anyOf", ()) if one.get("type") != "null"), self.schema)
        return resolved(found["$ref"], self.document) if "$ref" in found else found

    @property
    def nullable(self) -> bool:
        return {"type": "null"} in self.schema.get("anyOf", ())

    @property
    def required(self) -> bool:
        return self.name in self.owner.get("required", ())

    @property
    def alone(self) -> bool:
        """Whether it is null or one other thing."""
        return len([one for one in self.schema.get("anyOf", ()) if one.get("type") != "null"]) < 2

    def text(self) -> bool:
        return self.alone and self.form.get("type") == "string" and not any(word in self.form for word in PLAIN)

    def has(self, *words: str) -> bool:
        return self.alone and any(word in self.form for word in words)


def fields(document: Schema) -> Iterator[Field]:
    for owner in (document, *document.get("$defs", {}).values()):
        for name in owner.get("properties", {}):
            yield Field(owner, name, document)


def add(field: Field, *, required: bool) -> None:
    field.owner["properties"]["novelty"] = {"type": "string"}
    if required:
        field.owner.setdefault("required", []).append("novelty")


def rename(field: Field) -> None:
    field.owner["properties"]["novelty"] = field.owner["properties"].pop(field.name)
    field.owner["required"][field.owner["required"].index(field.name)] = "novelty"


def remove(field: Field) -> None:
    del field.owner["properties"][field.name]
    if field.required:
        field.owner["required"].remove(field.name)


def make_nullable(field: Field) -> None:
    field.schema = {"anyOf": [field.schema, {"type": "null"}]}


def refuse_null(field: Field) -> None:
    field.schema["anyOf"].remove({"type": "null"})


def turn(field: Field, kind: str, **rules: Any) -> None:
    said = {word: value for word, value in field.form.items() if word in ("title", "description", "default")}
    field.form.clear()
    field.form.update(said, type=kind, **rules)


def put(word: str, value: Any) -> Callable[[Field], Any]:
    return lambda field: field.form.__setitem__(word, value)


def drop(word: str) -> Callable[[Field], Any]:
    return lambda field: field.form.pop(word)


def values(field: Field) -> bool:
    return field.has("enum") and len(field.form["enum"]) > 1


def closed(field: Field) -> bool:
    return field.owner.get("additionalProperties") is False


def describe(field: Field) -> None:
    field.owner["description"] = field.schema["description"] = field.schema["title"] = "said in other words"
    field.schema["examples"], field.schema["deprecated"] = ["another"], True


def shift(words: tuple[str, ...], by: int) -> Callable[[Field], None]:
    def change(field: Field) -> None:
        word = next(word for word in words if word in field.form)
        field.form[word] += by

    return change


UPPER, LOWER = ("maxLength", "maximum", "maxItems"), ("minLength", "minimum")
Row = tuple[str, Callable[[Field], bool], Callable[[Field], Any], set[tuple[str, frozenset]]]
TABLE: list[Row] = [
    ("a field is removed", lambda f: True, remove, {("field removed", BOTH)}),
    ("a field gets another name", lambda f: f.required and not closed(f), rename, {("field removed", BOTH), ("required field added", WRITERS)}),
    ("a field is added that may be absent", lambda f: not closed(f), lambda f: add(f, required=False), set()),
    ("a field is added that has to be there", lambda f: not closed(f), lambda f: add(f, required=True), {("required field added", WRITERS)}),
    ("a field is added where readers refuse more", closed, lambda f: add(f, required=False), {("field added that readers refuse", READERS)}),
    ("a field becomes required", lambda f: not f.required, lambda f: f.owner.setdefault("required", []).append(f.name), {("became required", WRITERS)}),
    ("a field is no longer always there", lambda f: f.required, lambda f: f.owner["required"].remove(f.name), {("no longer always there", READERS)}),
    ("a value is added", values, lambda f: f.form["enum"].append("novelty"), {("values added", READERS)}),
    ("a value is removed", values, lambda f: f.form["enum"].pop(), {("values removed", WRITERS)}),
    ("a value gets another name", values, lambda f: f.form["enum"].__setitem__(0, "novelty"), {("values added", READERS), ("values removed", WRITERS)}),
    ("the order of values changes", values, lambda f: f.form["enum"].reverse(), set()),
    ("a list of values is given up", values, drop("enum"), {("list of values given up", READERS)}),
    ("any text becomes a list of values", Field.text, put("enum", ["a", "b"]), {("closed to a list of values", WRITERS)}),
    ("the one value changes", lambda f: isinstance(f.form.get("const"), str), put("const", "novelty"), {("values added", READERS), ("values removed", WRITERS)}),
    ("null becomes possible", lambda f: not f.nullable, make_nullable, {("may be null now", READERS)}),
    ("null becomes impossible", lambda f: f.nullable, refuse_null, {("may not be null any more", WRITERS)}),
    ("whole numbers become any numbers", lambda f: f.form.get("type") == "integer", put("type", "number"), {("type widened", READERS)}),
    ("any numbers become whole numbers", lambda f: f.form.get("type") == "number", put("type", "integer"), {("type narrowed", WRITERS)}),
    ("text becomes text or a number", Field.text, put("type", ["string", "integer"]), {("type widened", READERS)}),
    ("text becomes a number", Field.text, lambda f: turn(f, "integer"), {("type changed", BOTH)}),
    ("an object becomes a list", lambda f: f.alone and f.form.get("type") == "object", lambda f: turn(f, "array", items={}), {("type changed", BOTH)}),
    ("a list's items become something else", lambda f: f.form.get("type") == "array", put("items", {"type": "boolean"}), {("type changed", BOTH)}),
    ("an upper limit is lowered", lambda f: f.has(*UPPER), shift(UPPER, -1), {("limit tightened", WRITERS)}),
    ("an upper limit is raised", lambda f: f.has(*UPPER), shift(UPPER, 1), {("limit loosened", READERS)}),
    ("a lower limit is raised", lambda f: f.has(*LOWER), shift(LOWER, 1), {("limit tightened", WRITERS)}),
    ("a lower limit is lowered", lambda f: f.has(*LOWER), shift(LOWER, -1), {("limit loosened", READERS)}),
    ("a limit is new", Field.text, put("maxLength", 40), {("limit tightened", WRITERS)}),
    ("a limit is gone", lambda f: f.has("maxLength"), drop("maxLength"), {("limit loosened", READERS)}),
    ("a pattern changes", lambda f: f.has("pattern"), put("pattern", "^text$"), {("form changed", BOTH)}),
    ("a pattern is new", Field.text, put("pattern", "^text$"), {("limit tightened", WRITERS)}),
    ("a pattern is gone", lambda f: f.has("pattern"), drop("pattern"), {("limit loosened", READERS)}),
    ("a format changes", lambda f: f.has("format"), put("format", "date"), {("form changed", BOTH)}),
    ("a format is new", Field.text, put("format", "date-time"), {("limit tightened", WRITERS)}),
    ("a format is gone", lambda f: f.has("format"), drop("format"), {("limit loosened", READERS)}),
    ("unknown fields are refused", lambda f: not closed(f), lambda f: f.owner.__setitem__("additionalProperties", False), {("further fields refused", WRITERS)}),
    ("unknown fields are allowed", closed, lambda f: f.owner.pop("additionalProperties"), {("further fields allowed", READERS)}),
    ("a default changes", lambda f: "default" in f.schema, lambda f: f.schema.__setitem__("default", "novelty"), {("default changed", BOTH)}),
    ("only words change", lambda f: True, describe, set()),
    ("a keyword comes that the classifier doesn't know", lambda f: f.alone, put("not", {"type": "null"}), {("not understood", BOTH)}),
]  # fmt: skip


def places(applies: Callable[[Field], bool]) -> list[tuple[str, int]]:
    found = [(name, index) for name, document in DOCUMENTS.items() for index, field in enumerate(fields(document)) if applies(field)]
    return found[:: max(1, -(-len(found) // PLACES))]


def raw(was: Schema, now: Schema) -> list[Difference]:
    """Whoever they break, met or not."""
    return list(dict.fromkeys(one for old, new in pairs(was, now) for one in Comparison(was, now).of(old, new)))


@pytest.mark.parametrize(("applies", "change", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_change_is_told_by_its_name_and_by_whom_it_breaks(applies, change, expected) -> None:
    tried = places(applies)
    assert tried, "no field of ours can change so"
    for name, index in tried:
        mutated = copy.deepcopy(DOCUMENTS[name])
        field = list(fields(mutated))[index]
        change(field)
        found = raw(DOCUMENTS[name], mutated)
        told = {(one.kind, one.breaks) for one in found}
        where = f"{name}: {field.name}: {found}"
        assert told == expected, where
        for one in found:
            assert one.kind.startswith("further fields") or one.path.split(".")[-1].removesuffix("[]") in (field.name, "novelty"), where
            assert one.kind in one.told() and "Instead: " in one.told()


@pytest.mark.parametrize(("applies", "change", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_whoever_is_said_not_to_break_accepts_what_the_other_writes(applies, change, expected) -> None:
    """The table against a validator that knows nothing of it: documents made by one schema, held to the other."""
    broken = frozenset().union(*(breaks for _, breaks in expected))
    tried = places(applies)
    for name, index in tried[:: max(1, len(tried) // VALIDATED)]:
        released, today = DOCUMENTS[name], copy.deepcopy(DOCUMENTS[name])
        change(list(fields(today))[index])
        for was, now in pairs(released, today):
            for full in (True, False):
                if Party.READERS not in broken:
                    validator(was, released).validate(value_of(now, today, full=full))
                if Party.WRITERS not in broken:
                    validator(now, today).validate(value_of(was, released, full=full))


def pairs(released: Schema, today: Schema) -> list[tuple[Schema, Schema]]:
    if "properties" in released:
        return [(released, today)]
    return [(released["$defs"][name], today["$defs"][name]) for name in sorted(bodies(released))]


def validator(schema: Schema, document: Schema) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**schema, "$defs": document["$defs"]})


def test_a_schema_is_compatible_with_itself_in_every_document() -> None:
    for name, document in EVERY_DOCUMENT.items():
        if name.startswith("schemas/"):
            assert raw(document, copy.deepcopy(document)) == [], name


def test_a_fact_that_a_type_of_event_always_has_may_not_become_absent() -> None:
    """Such a fact is required beside the model, in the schema of that type alone."""
    was = EVERY_DOCUMENT["schemas/billing.v1.purchase_succeeded.json"]
    now = {word: value for word, value in was.items() if word != "allOf"}
    told = {(one.path, one.kind) for one in compared(was, now)}
    assert told == {("data.checkoutSession", "may be null now"), ("data.checkoutSession", "no longer always there")}
    assert {one.breaks for one in compared(was, now)} == {READERS}
