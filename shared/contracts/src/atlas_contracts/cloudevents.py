"""The CloudEvents 1.0 envelope around every event on the broker.

Source: CloudEvents specification 1.0.2, JSON event format; ``traceparent`` is its distributed-tracing extension and
``requestid`` an extension of ours (extension names are lower-case alphanumerics).
"""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from atlas_contracts.model import Instant

CONTENT_TYPE = "application/cloudevents+json"
SCHEMA_VERSION = 3
"""The newest schema version that this code reads (docs/decisions/0010). Raised when the meaning of a field changes or
an enumeration gets a value; new optional fields and new types don't raise it. 2: an operator's word about a payment.
3: facts that came in by a backfill or an import, and grants imported from another app."""

DataT = TypeVar("DataT", bound=BaseModel)


class CloudEvent(BaseModel, Generic[DataT]):
    """One event; ``id`` is also the broker's message id."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, max_length=512)
    source: str
    type: str
    subject: str | None = None
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = None
    traceparent: str | None = None
    requestid: str | None = None
    data: DataT
