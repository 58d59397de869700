"""Parked events: events that could not be processed, stored with the reason, which an operator may redrive."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from atlas_contracts.cloudevents import CloudEvent
from atlas_contracts.internal_api import PRINTABLE
from atlas_contracts.model import Instant, WireModel

COPIED_EVENT = "copied_event"
"""The reason of a message that no service has published (a copy made by the broker). It can't be redriven."""


class ParkedData(WireModel):
    """``data`` of a parked event.

    ``kind`` says what ``payload`` is: ``stripe_event``, a Stripe event that webhook-ingest could not map, or
    ``billing_event``, a canonical event that the entitlements service could not process.
    """

    id: str
    kind: Literal["stripe_event", "billing_event"]
    reason: str = Field(description="a stable word: contradicting_user, malformed_object …")
    detail: str = Field(description="one sentence for a person; no payload, no secret")
    subject: str = Field(description="a Stripe event's type, or the subject on which a billing event was published")
    event_id: str
    at: Instant = Field(description="a Stripe event's arrival, or when a billing event was parked")
    payload: dict[str, Any] | str = Field(description="the event; text where it is no JSON object")


class ParkedEvent(CloudEvent[ParkedData]):
    """A parked event as sent on the stream PARKED (``parked.v1.<reason>``)."""


class RedrivenData(WireModel):
    """``data`` of ``parked.v1.redriven``: a parked event was published again."""

    id: str = Field(description="of the parked event")
    message_id: str = Field(description="the broker's message id under which it was published again")
    at: Instant


class ForgottenData(WireModel):
    """``data`` of ``parked.v1.forgotten``: the user whom a parked event is about was forgotten. It names nobody."""

    id: str = Field(description="of the parked event")
    event_digest: str = Field(
        description="SHA-256 of its eventId, in hexadecimal: the same event parked again is hidden too"
    )
    at: Instant


class ForgottenEvent(CloudEvent[ForgottenData]):
    """Takes a parked event out of every list and redrive. It is younger than what it hides, and so outlives it."""


class DismissRequest(WireModel):
    """``POST /operator/parked/{id}/dismiss`` at webhook-ingest: the event can never succeed, and an operator knows."""

    reason: str = Field(min_length=1, max_length=500, pattern=PRINTABLE)
    operator: str = Field(min_length=1, max_length=255, pattern=PRINTABLE)


class DismissedData(WireModel):
    """``data`` of ``parked.v1.dismissed``: an operator took a parked event off the list."""

    id: str = Field(description="of the parked event")
    event_digest: str = Field(
        description="SHA-256 of its eventId, in hexadecimal: the same event parked again stays off the list"
    )
    reason: str = Field(description="why, in the operator's words")
    operator: str = Field(description="who")
    at: Instant


class DismissedEvent(CloudEvent[DismissedData]):
    """Takes a parked event off the list until it is redriven. It is younger than the event, and so outlives it."""


class RedrivenEvent(CloudEvent[RedrivenData]):
    """Marks a parked event as redriven. The parked event itself stays on PARKED."""
