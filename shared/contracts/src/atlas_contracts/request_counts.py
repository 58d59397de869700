"""Question and answer by which the gateway's replicas count a user's requests together, at the checkout service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from atlas_contracts.model import WireModel

REQUEST_COUNTS = "/internal/request-counts"
LimitName = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,32}$")]


class CountRequest(WireModel):
    """``POST /internal/request-counts`` at checkout: count one more request of the token's subject."""

    limit: LimitName = Field(description="which limit: checkout, portal, restore, confirm")
    seconds: int = Field(ge=1, le=999_999, description="length of the window that begins if none is open")


class RequestCount(WireModel):
    """Answer to ``POST /internal/request-counts``."""

    count: int = Field(ge=1, description="requests in the open window, this one included")
    ends_in: float = Field(description="seconds until the window ends, by the database's clock")
