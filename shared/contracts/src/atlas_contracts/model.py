"""The one base model: camelCase on the wire, snake_case in code, unknown fields tolerated."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


@lru_cache(maxsize=1024)
def iso_utc(moment: datetime) -> str:
    """ISO-8601 in UTC with ``Z``, milliseconds only where there are any: ``2026-11-23T10:00:00Z``.

    Remembered: one event tells the same moment up to five times.
    """
    moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


Instant = Annotated[
    AwareDatetime,
    PlainSerializer(iso_utc, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment in time; needs an offset when parsed, always UTC with ``Z`` when written as JSON."""


class WireModel(BaseModel):
    """Base of everything that crosses a process boundary.

    Unknown fields are ignored, so that an older service reads the events of a newer one.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)
