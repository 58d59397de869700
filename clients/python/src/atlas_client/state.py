"""A user's entitlement as the bucket ENTITLEMENT_STATE tells it, and the key under which it stands there."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

PRODUCT = "pro_lifetime_v1"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EntitlementState:
    """The whole state after the change that made it. Pro ends by a further change alone, never by the clock."""

    user_id: str
    is_pro: bool
    status: str
    """none: never Pro, or forgotten; active: Pro; revoked: was Pro and isn't any more."""
    version: int
    """Grows by one with each change; 0: nothing is known. A forgotten user starts again at 1."""
    product_key: str = PRODUCT
    source: str | None = None
    active_from: datetime | None = None
    active_until: datetime | None = None
    """When the newest time of being Pro ended; None while it lasts."""
    reason: str = ""
    """Why, in one stable word. The list of words is open."""
    caused_by: str = ""

    @classmethod
    def unknown(cls, user_id: str) -> EntitlementState:
        """Of a user about whom nothing is known, or nothing any more."""
        return cls(user_id=user_id, is_pro=False, status="none", version=0)


def state_key(user_id: str) -> str:
    """base64url of the SHA-256 of the id, without padding."""
    return urlsafe_b64encode(hashlib.sha256(user_id.encode()).digest()).rstrip(b"=").decode()


def read_state(key: str, value: bytes) -> EntitlementState:
    """An entry's value. Members that a newer writer adds are left aside. Raises ValueError."""
    try:
        told: dict[str, Any] = json.loads(value)
        state = EntitlementState(
            user_id=_of(str, told["userId"]),
            is_pro=_of(bool, told["isPro"]),
            status=_of(str, told["status"]),
            version=_of(int, told["version"]),
            product_key=_of(str, told.get("productKey", PRODUCT)),
            source=told.get("source"),
            active_from=instant(told.get("activeFrom")),
            active_until=instant(told.get("activeUntil")),
            reason=str(told.get("reason", "")),
            caused_by=str(told.get("causedBy", "")),
        )
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not an entitlement: {type(error).__name__}") from error
    if state_key(state.user_id) != key:
        raise ValueError("it stands under the key of somebody else")
    return state


def instant(text: str | None) -> datetime | None:
    """A time as Atlas writes it, in UTC. Raises ValueError."""
    return None if text is None else datetime.fromisoformat(text)


def _of(kind: type[T], value: object) -> T:
    # By type(): True is an int to isinstance().
    if type(value) is not kind:
        raise TypeError(kind.__name__)
    return value
