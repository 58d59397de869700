"""What admitted services may ask the entitlements service: who is Pro, one user or many.

Bare answers, like the other internal ones; errors wear the envelope of :mod:`atlas_contracts.public_api`. Those who ask
are told apart by their keys (:data:`atlas_contracts.callers.READER`), not by the user they ask about.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from atlas_contracts.billing import PRODUCT_PRO
from atlas_contracts.entitlements import Source, Status
from atlas_contracts.model import Instant, WireModel
from atlas_contracts.user_id import MAX_USER_ID, UserId

READ_ONE = "/v1/entitlements/{userId:path}"
"""GET; the user's id percent-encoded, and a slash in it may stand as it is."""
READ_MANY = "/v1/entitlements/query"
"""POST."""
MAX_USERS = 500
"""Users in one question."""
MAX_QUERY_BYTES = MAX_USERS * (MAX_USER_ID * 12 + 4) + 1024
"""The longest such question: every character of every id written as two escapes, with quotes, comma and white space."""


class EntitlementRecord(WireModel):
    """What a user is entitled to now."""

    user_id: str
    product_key: str = PRODUCT_PRO
    is_pro: bool
    status: Status = Field(description="none where nothing is known; a payment that grants no more leaves revoked")
    source: Source | None
    active_from: Instant | None = Field(description="start of the unbroken time of being Pro")
    active_until: Instant | None = Field(description="when it ended; null while active")
    version: int = Field(ge=0, description="grows by one per change of this user's entitlement; 0: nothing is known")
    reason: str | None = Field(description="why, in one stable word: purchase, refunded, chargeback_lost …")
    updated_at: Instant | None = Field(description="when it last changed here")


class EntitlementQuery(WireModel):
    """``POST /v1/entitlements/query``."""

    user_ids: Annotated[list[UserId], Field(max_length=MAX_USERS)]


class EntitlementRecords(WireModel):
    """One record for each id asked for, in the same order; an id asked for twice comes twice."""

    entitlements: list[EntitlementRecord]
