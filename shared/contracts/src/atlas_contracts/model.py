"""The base of all models: camelCase in JSON, snake_case in code, unknown fields ignored."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


@lru_cache(maxsize=1024)
def iso_utc(moment: datetime) -> str:
    """ISO 8601 in UTC with ``Z``, milliseconds only if they aren't zero: ``2026-11-23T10:00:00Z``.

    Results are cached, because one event has the same moment up to five times.
    """
    moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


Instant = Annotated[
    AwareDatetime,
    PlainSerializer(iso_utc, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment in time. It must have a UTC offset when parsed, and is written to JSON in UTC with ``Z``."""


class WireModel(BaseModel):
    """Base of everything that one process sends to another.

    Unknown fields are ignored, so that an older service can read what a newer one sends.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)
