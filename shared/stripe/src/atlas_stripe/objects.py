"""Reading fields of a Stripe object as decoded from JSON, each checked for type and bounds.

A signature proves who sent an event, not that its content is right. Whatever is missing, of the wrong type or out of
bounds raises :class:`Unmappable`; the caller parks the event.
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
    """An object as Stripe told it when it was asked, and when that was, by Stripe's own clock."""

    body: StripeObject
    observed_at: datetime

    @property
    def id(self) -> str:
        return str(self.body["id"])


class Unmappable(Exception):
    """The object lacks or garbles what its type must have. ``reason`` is a stable word, ``detail`` one sentence
    without anything of the object's content.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def could_be_id(value: str) -> bool:
    """Whether this has the form of Stripe's ids; Stripe is not asked about anything else."""
    return _ID.fullmatch(value) is not None


def malformed(field: str, expected: str) -> Unmappable:
    return Unmappable("malformed_object", f"{field} must be {expected}.")


def text(obj: StripeObject, field: str) -> str:
    value = optional_text(obj, field)
    if value is None:
        raise malformed(field, "a non-empty string")
    return value


def optional_text(obj: StripeObject, field: str) -> str | None:
    """The trimmed string; None when absent, null or blank. Raises Unmappable for anything Postgres could not hold."""
    value = obj.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT or _UNPRINTABLE.search(value):
        raise malformed(field, f"a printable string of at most {MAX_TEXT} characters")
    return value.strip() or None


def reference(obj: StripeObject, field: str) -> str | None:
    """The id of another object, whether it is expanded or not."""
    value = obj.get(field)
    if isinstance(value, Mapping):
        return text(value, "id")
    return optional_text(obj, field)


def expanded(obj: StripeObject, field: str) -> StripeObject | None:
    """The other object itself, when it is expanded."""
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
    """True or false; ``absent`` where the object doesn't say."""
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
    """The trimmed string under ``key``; None when there is none."""
    return optional_text(_metadata(obj), key)


def metadata_user(obj: StripeObject) -> str | None:
    """``metadata.userId``, verbatim; None when there is none. Raises Unmappable for what is not a user id."""
    value = _metadata(obj).get("userId")
    if value is None or is_user_id(value):
        return value
    raise Unmappable("unusable_user_id", f"metadata.userId is no user id, which is {user_id.DESCRIPTION}.")


def claimed_reference(obj: StripeObject) -> str | None:
    """``client_reference_id``, verbatim: only ever compared. None when there is none."""
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
