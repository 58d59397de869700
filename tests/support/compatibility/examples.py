"""Examples of every event and every body, made of a model's own schema and then read and written by the model itself.

``full`` has every field, ``least`` only the required ones. A release keeps them, so that later code can be held to them.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel, RootModel

import atlas_contracts
from atlas_contracts.billing import BillingEvent
from atlas_contracts.entitlements import EntitlementEvent
from atlas_contracts.parked import DismissedEvent, ForgottenEvent, ParkedEvent, RedrivenEvent
from atlas_contracts.schema_documents import documents
from support.compatibility.judgement import bodies
from support.compatibility.shapes import Schema, shape

WORDS = ("text", "cs_test_1", "pi_1", "user-1", "usd", "a", "1", "ada@example.com", "plink_1", "issfr_1", "0a1b2c3d")
"""One of them fits every pattern of ours; a release with a pattern that none fits is refused."""
INSTANT = "2026-11-23T10:00:00Z"
ONE_OF_FOUR = {"email": None, "invoiceNumber": None, "paymentLink": None, "fraudWarning": None}
BY_HAND: dict[tuple[str, str], Schema] = {
    ("AdjustmentRequest", "full"): {"action": "revoke_payment"},
    ("BuyersWanted", "full"): {**ONE_OF_FOUR, "email": "ada@example.com"},
    ("BuyersWanted", "least"): {"email": "ada@example.com"},
}
"""Fields on which a model has rules that its schema doesn't say: a payment is named with a payment's action alone,
and buyers are sought by one thing."""
Examples = dict[str, dict[str, Any]]
"""``full`` and ``least`` by the name of an event or a model."""


def made() -> dict[str, Examples]:
    """By document: the examples of today's code. Raises pydantic.ValidationError where one can't be made."""
    found: dict[str, Examples] = {}
    for path, document in documents().items():
        if not path.startswith("schemas/"):
            continue
        name = path.removeprefix("schemas/").removesuffix(".json")
        if "properties" in document:
            found[name] = {name: _both(event_model(name), name, document, document)}
        else:
            found[name] = {model: _both(model_named(model), model, document["$defs"][model], document) for model in sorted(bodies(document))}
    return found


def event_model(name: str) -> type[BaseModel]:
    """By an event's subject; parked events of every reason are ``parked.v1.event``."""
    marks: dict[str, type[BaseModel]] = {"parked.v1.redriven": RedrivenEvent, "parked.v1.forgotten": ForgottenEvent, "parked.v1.dismissed": DismissedEvent}
    if name in marks:
        return marks[name]
    return {"billing": BillingEvent, "entitlements": EntitlementEvent, "parked": ParkedEvent}[name.partition(".")[0]]


@cache
def model_named(name: str) -> type[BaseModel]:
    """In whichever module of the contracts it lies today. Raises LookupError when it is gone."""
    for module in pkgutil.iter_modules(atlas_contracts.__path__):
        found = getattr(importlib.import_module(f"atlas_contracts.{module.name}"), name, None)
        if isinstance(found, type) and issubclass(found, BaseModel | RootModel):
            return found
    raise LookupError(f"no model of the contracts is called {name} any more")


def _both(model: type[BaseModel], name: str, schema: Schema, document: Schema) -> dict[str, Any]:
    found = {}
    for extent in ("full", "least"):
        value = value_of(schema, document, full=extent == "full") | BY_HAND.get((name, extent), {})
        read = model.model_validate_json(json.dumps(value), strict=True)
        # What the model leaves out of the least is left to it: absence is what the example is for.
        written = json.loads(read.model_dump_json(by_alias=True))
        found[extent] = {key: written.get(key, said) for key, said in value.items()} if extent == "full" else value
    return found


def value_of(schema: Any, document: Schema, *, full: bool) -> Any:
    """A value that the schema allows, with every field or only with the required ones."""
    allowed = shape(schema, document)
    kind = next(kind for kind in ("object", "array", "string", "integer", "number", "boolean", "null") if kind in allowed)
    rules = allowed[kind][0]
    if "enum" in rules:
        return rules["enum"][0]
    if kind == "object":
        wanted = rules.get("properties", {}).keys() if full else rules.get("required", ())
        return {name: value_of(rules["properties"][name], document, full=full) for name in wanted} if wanted else {}
    if kind == "array":
        number = 1 if full else rules.get("minItems", 0)
        return [value_of(rules.get("items", {"type": "string"}), document, full=full) for _ in range(number)]
    if kind in ("integer", "number"):
        return max(1, rules.get("minimum", 1))
    return next(_texts(rules)) if kind == "string" else kind == "boolean" or None


def _texts(rules: Schema) -> Iterator[str]:
    if rules.get("format") == "date-time":
        yield INSTANT
    for word in WORDS:
        patterns = rules.get("pattern", [])
        fits = all(re.search(pattern, word) for pattern in ([patterns] if isinstance(patterns, str) else patterns))
        if fits and rules.get("minLength", 0) <= len(word) <= rules.get("maxLength", len(word)):
            yield word
    raise LookupError(f"no word in WORDS fits {rules}: add one to tests/support/compatibility/examples.py")
