"""Reads fields of a Stripe object (decoded from JSON), and checks each for type and bounds.

A signature proves who sent an event, not that its content is right. A field that is missing, has the wrong type or is
out of bounds raises :class:`Unmappable`; the caller parks the event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from atlas_contracts import user_id
from atlas_contracts.user_id import is_user_id

StripeObject = Mapping[str, Any]

MAX_TEXT = 255
MAX_AMOUNT = 10**12
"""Minor units; Stripe's own ceiling for a charge is eight digits (twelve in a few currencies)."""
MAX_TIMESTAMP = 4_102_444_800
"""2100-01-01, seconds since 1970."""
_ID = re.compile(r"[A-Za-z0-9_]{1,255}")
_CURRENCY = re.compile(r"^[a-z]{3}$")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Read:
    """An object that was read at Stripe, and when, by Stripe's clock."""

    body: StripeObject
    observed_at: datetime

    @property
    def id(self) -> str:
        return str(self.body["id"])


class Unmappable(Exception):
    """The object lacks what its type must have, or has it in an unreadable form.

    ``reason`` is a stable word; ``detail`` is one sentence, without any of the object's content.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def could_be_id(value: str) -> bool:
    """Whether this looks like an id of Stripe's; other values are never sent to Stripe as an id."""
    return _ID.fullmatch(value) is not None


def malformed(field: str, expected: str) -> Unmappable:
    return Unmappable("malformed_object", f"{field} must be {expected}.")


def text(obj: StripeObject, field: str) -> str:
    value = optional_text(obj, field)
    if value is None:
        raise malformed(field, "a non-empty string")
    return value


def optional_text(obj: StripeObject, field: str) -> str | None:
    """The trimmed string; None when absent, null or blank. Raises Unmappable for anything else, and for text with
    control characters or longer than MAX_TEXT.
    """
    value = obj.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT or not _is_printable(value):
        raise malformed(field, f"a printable string of at most {MAX_TEXT} characters")
    return value.strip() or None


def _is_printable(value: str) -> bool:
    # What Python calls printable has none of the characters that the pattern looks for, and takes a tenth of the time.
    return value.isprintable() or _UNPRINTABLE.search(value) is None


def reference(obj: StripeObject, field: str) -> str | None:
    """The id of another object, whether the field has only the id or the whole object (expanded)."""
    value = obj.get(field)
    if value is None or isinstance(value, str):  # nearly always; asking whether it is a Mapping takes longer
        return optional_text(obj, field)
    return text(value, "id") if isinstance(value, Mapping) else optional_text(obj, field)


def expanded(obj: StripeObject, field: str) -> StripeObject | None:
    """The other object itself if the field has it (expanded); else None."""
    value = obj.get(field)
    return value if isinstance(value, Mapping) else None


def amount(obj: StripeObject, field: str) -> int:
    value = optional_amount(obj, field)
    if value is None:
        raise malformed(field, "an amount in minor units")
    return value


def optional_amount(obj: StripeObject, field: str) -> int | None:
    value = obj.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_AMOUNT:
        raise malformed(field, "an amount in minor units, zero or more")
    return value


def currency(obj: StripeObject) -> str | None:
    value = optional_text(obj, "currency")
    if value is not None and not _CURRENCY.match(value):
        raise malformed("currency", "a three-letter code in lower case, as Stripe sends it")
    return value


def flag(obj: StripeObject, field: str, *, absent: bool) -> bool:
    """True or false; ``absent`` if the object doesn't have the field."""
    value = optional_flag(obj, field)
    return absent if value is None else value


def optional_flag(obj: StripeObject, field: str) -> bool | None:
    value = obj.get(field)
    if value is not None and not isinstance(value, bool):
        raise malformed(field, "true or false")
    return value


def optional_moment(obj: StripeObject, field: str) -> datetime | None:
    return None if obj.get(field) is None else moment(obj, field)


def moment(obj: StripeObject, field: str) -> datetime:
    value = obj.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < MAX_TIMESTAMP:
        raise malformed(field, "a time in seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


def metadata(obj: StripeObject, key: str) -> str | None:
    """The trimmed string under ``key`` of the object's metadata; None when there is none."""
    return optional_text(_metadata(obj), key)


def metadata_user(obj: StripeObject) -> str | None:
    """``metadata.userId``, unchanged; None when there is none. Raises Unmappable if it is not a valid user id."""
    value = _metadata(obj).get("userId")
    if value is None or is_user_id(value):
        return value
    raise Unmappable("unusable_user_id", f"metadata.userId is not a user id ({user_id.DESCRIPTION}).")


def claimed_reference(obj: StripeObject) -> str | None:
    """``client_reference_id``, unchanged, only for comparing with metadata.userId. None when there is none."""
    value = obj.get("client_reference_id")
    if value is not None and not isinstance(value, str):
        raise malformed("client_reference_id", "a string")
    return value or None


def _metadata(obj: StripeObject) -> Mapping[str, Any]:
    values = obj.get("metadata")
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise malformed("metadata", "an object")
    return values
