"""Checks what a person typed, before any service is called, by the services' own rules. Errors are one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from atlas_contracts.user_id import MAX_USER_ID, UserId, is_user_id
from atlas_operator.terminal.console import misunderstood

LONGEST_KEY = 200
"""An idempotency key becomes part of an event id."""
STRIPE_ID = re.compile(r"(pi|cs|ch|py|re|pyr|dp|du|cus|in|evt|issfr|prod|price|sub|seti|pm|txn)_\w+", re.ASCII)
PAYMENT_ID = re.compile(r"(pi|cs)_\w+", re.ASCII)
VERBATIM = "must be printable text, with nothing invisible and no white space at its ends"

ModelT = TypeVar("ModelT", bound=BaseModel)
_USER = TypeAdapter[str](UserId)


def user_id(text: str, name: str = "USER") -> str:
    """A user's id, verbatim."""
    try:
        _USER.validate_python(text)
    except ValidationError as error:
        misunderstood(f"{name} {_why(error.errors()[0])}.")
    return _verbatim(text, name)


def utf8(text: str, name: str) -> str:
    """Text that can be sent: not empty, and valid UTF-8."""
    if not text:
        misunderstood(f"{name} must not be empty.")
    try:
        text.encode()
    except UnicodeEncodeError:
        misunderstood(f"{name} must be valid UTF-8.")
    return text


def any_id(text: str, name: str = "ID") -> str:
    """Any id: a user's, one of Stripe's, a parked event's."""
    utf8(text, name)
    if len(text) > MAX_USER_ID:
        misunderstood(f"{name} {_too_long(MAX_USER_ID, len(text))}.")
    return _verbatim(text, name)


def is_stripes(text: str) -> bool:
    """Whether an id looks like one of Stripe's."""
    return STRIPE_ID.fullmatch(text) is not None


def key(text: str, name: str = "--idempotency-key") -> str:
    """An idempotency key."""
    if len(text) > LONGEST_KEY:
        misunderstood(f"{name} {_too_long(LONGEST_KEY, len(text))}.")
    if not text.isascii():
        misunderstood(f"{name} must be ASCII.")
    return any_id(text, name)


def prose(text: str, name: str) -> str:
    """A reason or a ticket: something that a person can read."""
    if not utf8(text, name).strip():
        misunderstood(f"{name} must not be empty.")
    return text


def request(model: type[ModelT], values: Mapping[str, Any], names: Mapping[str, str]) -> ModelT:
    """A request, checked by its model; ``names`` maps each field to its name on the command line."""
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        misunderstood(f"{names.get(field, field)} {_why(first)}.")


def _verbatim(text: str, name: str) -> str:
    if not is_user_id(text):
        misunderstood(f"{name} {VERBATIM}.")
    return text


def _why(error: ErrorDetails) -> str:
    context, given = error.get("ctx", {}), error["input"]
    match error["type"]:
        case "string_too_short":
            return "must not be empty"
        case "string_too_long":
            return _too_long(context["max_length"], len(given))
        case "string_unicode":
            return "must be valid UTF-8"
        case "string_pattern_mismatch" | "value_error":
            return VERBATIM
        case _:
            return f"is refused: {error['msg']}"


def _too_long(most: int, given: int) -> str:
    return f"must have at most {most} characters; this has {given}"
