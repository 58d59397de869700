"""Check and convert the parameters of a call against ``schema.json`` (see ``schema_from_sdk``)."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, Self

from stripe_sandbox.errors import StripeError, invalid, missing, unknown

SCHEMA_FILE = Path(__file__).with_name("schema.json")
MAX_STRING = 5_000
MAX_DIGITS = 15
MAX_LISTED = 20  # values of an enum that a message spells out
# Stripe's documented limits of metadata
MAX_METADATA_KEYS, MAX_METADATA_KEY, MAX_METADATA_VALUE = 50, 40, 500


class Number(float):
    """A decimal parameter that keeps the text as which it was sent, because amounts of money must not be rounded."""

    written: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.written = text
        return number


@functools.cache
def load() -> dict[str, Any]:
    """The schema of every call, read once."""
    schema: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return schema


@functools.cache
def api_versions() -> frozenset[str]:
    """Every API version that Stripe has published, as the SDK lists them for webhook endpoints."""
    return frozenset(load()["WebhookEndpointCreateParams"]["fields"]["api_version"]["enum"])


def check(params_class: str, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with their real types. Raises StripeError, worded like Stripe's, when one is wrong."""
    return check_object(load()[params_class], params, "")


def check_object(schema: dict[str, Any], params: dict[str, Any], prefix: str) -> dict[str, Any]:
    """All fields of one hash; ``prefix`` is the name of the parameter that holds it."""
    strange = [nested(prefix, name) for name in params if name not in schema["fields"]]
    if strange:
        raise unknown(*strange)
    for name in schema["required"]:
        if name not in params:
            raise missing(nested(prefix, name))
    return {name: check_value(schema["fields"][name], value, nested(prefix, name)) for name, value in params.items()}


def nested(prefix: str, name: str) -> str:
    """``a``, ``b`` → ``a[b]``."""
    return f"{prefix}[{name}]" if prefix else name


def check_value(kind: Any, value: Any, param: str) -> Any:  # noqa: PLR0911 - one line per kind
    """One value of the given type."""
    if isinstance(kind, str):
        return check_scalar(kind, value, param)
    if "any" in kind:
        return check_any(kind["any"], value, param)
    if "enum" in kind:
        return check_enum(kind["enum"], value, param)
    if not isinstance(value, dict):
        if value == "" and "list" in kind:
            return []
        raise invalid(f"Invalid {'array' if 'list' in kind else 'object'}", param)
    if "object" in kind:
        return check_object(kind["object"], value, param)
    if "map" in kind:
        return check_map(kind["map"], value, param)
    return check_list(kind["list"], value, param)


def check_list(kind: Any, value: dict[str, Any], param: str) -> list[Any]:
    """A list, sent as ``name[0]``, ``name[1]`` …"""
    if not all(key.isdigit() for key in value):
        raise invalid("Invalid array", param)
    return [check_value(kind, value[key], nested(param, key)) for key in sorted(value, key=int)]


def check_map(kind: Any, value: dict[str, Any], param: str) -> dict[str, Any]:
    """Free keys; metadata has limits of its own, and an empty value unsets a key."""
    if kind != "string":
        return {key: check_value(kind, child, nested(param, key)) for key, child in value.items()}
    if len(value) > MAX_METADATA_KEYS:
        raise invalid(f"Metadata can have up to {MAX_METADATA_KEYS} keys.", param)
    for key, child in value.items():
        if not isinstance(child, str):
            raise invalid(f"Invalid string: {param}[{key}] must be a string", nested(param, key))
        if len(key) > MAX_METADATA_KEY:
            raise invalid(f"Metadata keys can be at most {MAX_METADATA_KEY} characters long.", param)
        if len(child) > MAX_METADATA_VALUE:
            raise invalid(f"Metadata values can be at most {MAX_METADATA_VALUE} characters long.", nested(param, key))
    return dict(value)


def check_scalar(kind: str, value: Any, param: str) -> Any:
    """A string, integer, number or boolean."""
    if not isinstance(value, str):
        raise invalid(f"Invalid {kind}: {param} must not be a hash or a list", param)
    if kind == "boolean":
        # Python SDKs before version 12 write booleans as Python does, and Stripe reads them.
        if value not in {"true", "false", "True", "False"}:
            raise invalid(f"Invalid boolean: {value[:100]}", param)
        return value.lower() == "true"
    if value == "":
        raise empty(param)
    if kind == "string":
        if len(value) > MAX_STRING:
            raise invalid(f"Invalid string: {value[:30]}…; must be at most {MAX_STRING} characters", param)
        return value
    return check_number(kind, value, param)


def check_number(kind: str, value: str, param: str) -> int | float:
    """An integer, or a decimal number."""
    digits = value.removeprefix("-")
    if kind == "integer":
        if not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS:
            raise invalid(f"Invalid integer: {value[:100]}", param, "parameter_invalid_integer")
        return int(value)
    whole, _, fraction = digits.partition(".")
    if not (whole + fraction).isascii() or not (whole + fraction).isdigit() or len(digits) > MAX_DIGITS:
        raise invalid(f"Invalid decimal: {value[:100]}", param)
    return Number(value)


def check_enum(values: list[str], value: Any, param: str) -> str:
    """One of a few words."""
    if value in values and isinstance(value, str):
        return value
    if value == "":
        raise empty(param)
    known = [word for word in values if word]
    if len(known) > MAX_LISTED:
        raise invalid(f"Invalid {param}: {str(value)[:100]} is not one of its {len(known)} values", param)
    listed = f"{', '.join(known[:-1])}, or {known[-1]}" if len(known) > 1 else "".join(known)
    raise invalid(f"Invalid {param}: must be one of {listed}" if listed else f"Invalid {param}", param)


def check_any(kinds: list[Any], value: Any, param: str) -> Any:
    """The value as the first type that fits. If none does, raises the error of the last type of the same shape."""
    complaint: StripeError | None = None
    for kind in kinds:
        shape_fits = isinstance(value, dict) == (isinstance(kind, dict) and not kind.keys() & {"enum"})
        try:
            return check_value(kind, value, param)
        except StripeError as error:
            complaint = error if shape_fits or complaint is None else complaint
    assert complaint is not None
    raise complaint


def empty(param: str) -> StripeError:
    """An empty value for something that can't be unset."""
    return invalid(
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a "
        f"parameter; however '{param}' cannot be unset. You should remove '{param}' from your request or "
        "supply a non-empty value.",
        param,
        "parameter_invalid_empty",
    )
