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
"""The newest schema version that this code reads (docs/decisions/0010). Raise it when a field's meaning changes or an
enumeration gets a value; new optional fields and new types need no new version. Version 2 added adjustments of one
payment, version 3 facts that came in by a backfill or an import, and imported grants."""

SCHEMAS = "https://schemas.atlas.example/"
"""Where names of our schemas begin. They are identifiers: nothing answers there (RFC 2606 keeps ``.example`` free)."""

DataT = TypeVar("DataT", bound=BaseModel)


def data_schema(family: str) -> str:
    """What ``dataschema`` says in events of a family: ``https://schemas.atlas.example/billing/v1``.

    CloudEvents wants an absolute URI. Events from before contracts 1.0.0 say ``billing/v1``. Decide by ``type``.
    """
    return f"{SCHEMAS}{family}/v1"


class CloudEvent(BaseModel, Generic[DataT]):
    """One event in its envelope."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, max_length=512, description="also the broker's message id, except for a redrive")
    source: str = Field(description="the service that made it: /atlas/<service>")
    type: str = Field(description="atlas. and the subject on the broker")
    subject: str | None = Field(default=None, description="the user, else the payment, that it is about")
    time: Instant = Field(description="when what it tells happened")
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = Field(
        default=None,
        description=f"names data's schema, and need not resolve: {SCHEMAS}billing/v1; billing/v1 in old events",
    )
    traceparent: str | None = Field(default=None, description="W3C trace context of what caused it")
    requestid: str | None = Field(default=None, description="id of the request that caused it, as in the logs")
    data: DataT
