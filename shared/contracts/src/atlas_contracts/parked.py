"""What could not be processed: kept with its reason and with what matters of it, until an operator redrives it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from atlas_contracts.cloudevents import CloudEvent
from atlas_contracts.model import Instant, WireModel

COPIED_EVENT = "copied_event"
"""Reason of what nobody published who may publish facts: kept to be seen, never to be redriven."""


class ParkedData(WireModel):
    """``data`` of a parked event.

    ``kind`` tells what ``payload`` is: ``stripe_event``, a verified Stripe event that made no sense to the door, or
    ``billing_event``, a canonical event that the ledger refused.
    """

    id: str
    kind: Literal["stripe_event", "billing_event"]
    reason: str = Field(description="a stable word: contradicting_user, malformed_object …")
    detail: str = Field(description="one sentence for a person; no payload, no secret")
    subject: str = Field(description="the subject it was, or would have been, published on")
    event_id: str
    at: Instant
    payload: dict[str, Any] | str


class ParkedEvent(CloudEvent[ParkedData]):
    """A parked event as it travels on PARKED (``parked.v1.<reason>``)."""


class RedrivenData(WireModel):
    """``data`` of ``parked.v1.redriven``: the parked event ``id`` was given another try."""

    id: str
    message_id: str
    at: Instant


class RedrivenEvent(CloudEvent[RedrivenData]):
    """Marks a parked event as redriven; PARKED itself forgets nothing."""
