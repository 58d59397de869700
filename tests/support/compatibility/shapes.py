"""The normal form of a JSON Schema: for each type of JSON the alternatives that are allowed, references resolved.

Only the top level is brought into it; what lies below (a property, an item) stays a schema until it is looked at.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

Schema = dict[str, Any]
Shape = dict[str, list[Schema]]
"""Type → alternatives. ``integer`` and ``number`` are apart: a schema of type number allows both."""

NUMBER = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
OF_TYPE: dict[str, tuple[str, ...]] = {
    "null": (),
    "boolean": (),
    "integer": NUMBER,
    "number": NUMBER,
    "string": ("minLength", "maxLength", "pattern", "format"),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
}
COMBINING = ("$ref", "allOf", "anyOf", "oneOf")
SAYS_NOTHING = ("title", "description", "example", "examples", "deprecated", "default", "$defs", "$schema", "$id", "$comment", "components", "readOnly", "writeOnly")  # fmt: skip
"""Keywords that allow and forbid nothing. ``default`` is looked at where the property is."""
_KNOWN = {"type", "enum", "const", *COMBINING, *SAYS_NOTHING, *(word for words in OF_TYPE.values() for word in words)}
UNKNOWN = "unknown"


def shape(schema: Any, document: Schema) -> Shape:
    """The normal form of ``schema``, whose references lead into ``document``."""
    if schema is False:
        return {}
    if schema is True:
        schema = {}
    parts = [_own(schema)]
    if "$ref" in schema:
        parts.append(shape(resolved(schema["$ref"], document), document))
    parts += [shape(part, document) for part in schema.get("allOf", ())]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            parts.append(_either([shape(part, document) for part in schema[word]]))
    return reduce(_both, parts)


def resolved(reference: str, document: Schema) -> Any:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def _own(schema: Schema) -> Shape:
    named = schema.get("type", list(OF_TYPE))
    types = {named} if isinstance(named, str) else set(named)
    if "number" in types:
        types.add("integer")
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    unknown = {word: value for word, value in schema.items() if word not in _KNOWN}
    found: Shape = {}
    for kind in sorted(types):
        rules = {word: schema[word] for word in OF_TYPE[kind] if word in schema}
        if values is not None:
            rules["enum"] = [value for value in values if type_of(value) == kind]
            if not rules["enum"]:
                continue
        if unknown:
            rules[UNKNOWN] = unknown
        found[kind] = [rules]
    return found


def type_of(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}[type(value)]


def _either(shapes: list[Shape]) -> Shape:
    found: Shape = {}
    for one in shapes:
        for kind, alternatives in one.items():
            found[kind] = found.get(kind, []) + alternatives
    return found


def _both(one: Shape, other: Shape) -> Shape:
    found: Shape = {}
    for kind in one.keys() & other.keys():
        merged = [_merged(this, that) for this in one[kind] for that in other[kind]]
        if possible := [rules for rules in merged if rules.get("enum") != []]:
            found[kind] = possible
    return found


def _merged(one: Schema, other: Schema) -> Schema:
    both = {**one, **other}
    for word in one.keys() & other.keys():
        this, that = one[word], other[word]
        if word == "properties":
            both[word] = {**this, **that, **{name: {"allOf": [this[name], that[name]]} for name in this.keys() & that}}
        elif word == "required":
            both[word] = sorted({*this, *that})
        elif word == "enum":
            both[word] = [value for value in this if value in that]
        elif word in ("items", "additionalProperties"):
            both[word] = {"allOf": [this, that]}
        elif word.startswith(("min", "exclusiveMin")):
            both[word] = max(this, that)
        elif word.startswith(("max", "exclusiveMax")):
            both[word] = min(this, that)
        elif this != that:
            both[word] = [this, that]
    return both
