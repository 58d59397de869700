"""Bodies of the operator's routes about the state bucket, at the entitlements service."""

from __future__ import annotations

from pydantic import Field

from atlas_contracts.model import WireModel
from atlas_contracts.user_id import UserId


class RepublishRequest(WireModel):
    """``POST /operator/republish``: write states and missing announcements again. The answer is progress as NDJSON."""

    user_id: UserId | None = Field(default=None, description="only this user; null: everybody")


class Republished(WireModel):
    """The last line of that answer: what was written. What was right was left alone."""

    users: int = Field(default=0, description="users who have a state")
    written: int = Field(default=0, description="entries that were missing or said something else")
    removed: int = Field(default=0, description="entries of nobody")
    announced: int = Field(default=0, description="announcements of the present state that the stream did not hold")


class StatesCompared(WireModel):
    """``GET /operator/states``: the bucket compared with the projection."""

    bucket: bool = Field(default=True, description="whether there is a bucket")
    users: int = Field(description="users who have a state")
    compared: int = Field(description="users whose entry was looked at; fewer than users: a sample")
    missing: int = Field(default=0, description="users without an entry")
    different: int = Field(default=0, description="users whose entry says something else")
    extra: int = Field(default=0, description="entries of nobody")
    examples: list[str] = Field(default_factory=list, description="some of the users concerned")

    @property
    def right(self) -> bool:
        """Whether the bucket says what the projection says."""
        return self.bucket and not (self.missing or self.different or self.extra)
