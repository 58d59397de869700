"""What the gateway asks entitlements for the many users whose reads wait at the same time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from atlas_contracts.internal_api import EntitlementView
from atlas_contracts.model import WireModel
from atlas_contracts.user_id import MAX_USER_ID, UserId

MANY_ENTITLEMENTS = "/internal/entitlements"
"""POST. The token's subject is the gateway itself."""
MAX_READS = 256
"""Reads in one question. With more, the first ones would wait longer and little would be saved."""
MAX_READS_BYTES = MAX_READS * (MAX_USER_ID * 12 + 128 + 8) + 1024
"""The longest such question: every character of every user's id written as two escapes, and a request id for each."""

RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]


class EntitlementsRequest(WireModel):
    """``POST /internal/entitlements``. The answer is as fresh as if each user had been asked about alone."""

    user_ids: list[UserId] = Field(max_length=MAX_READS)
    request_ids: list[RequestId] = Field(
        default_factory=list, max_length=MAX_READS, description="of the requests that wait for it, for the log"
    )


class EntitlementsResult(WireModel):
    """Answer to ``POST /internal/entitlements``."""

    entitlements: list[EntitlementView] = Field(description="one for each user asked for, in the same order")
