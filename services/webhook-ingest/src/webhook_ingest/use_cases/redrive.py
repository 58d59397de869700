"""Redriving: publishes a parked event again, so that it is processed once more.

It gets a new message id, because the broker would drop its old one as a duplicate.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from atlas_contracts.billing import BillingEvent, KeptEvent, Via, read_billing_event
from atlas_contracts.cloudevents import data_schema
from atlas_contracts.contradiction import CHANGED_CONTENT
from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_contracts.parked import COPIED_EVENT, ParkedData, RedrivenData, RedrivenEvent
from atlas_contracts.public_api import Recovery
from atlas_contracts.streams import billing_subject, cloudevent_type
from atlas_kit.http.errors import InvalidRequest
from atlas_kit.messaging.events import encode, event_type_of
from atlas_kit.process import context
from atlas_kit.process.logs import get_logger
from atlas_stripe.arrival import Arrival
from atlas_stripe.envelope import is_event
from atlas_stripe.objects import Unmappable
from webhook_ingest.adapters.metrics import REDRIVEN
from webhook_ingest.adapters.parked_reader import REDRIVEN_SUBJECT, Parked
from webhook_ingest.ports import Publisher
from webhook_ingest.use_cases.admit import Door, normalize

log = get_logger()


class StillParked(InvalidRequest):
    """The event still can't be processed; it stays parked."""

    status = 409

    def __init__(self, detail: str) -> None:
        self.why = detail
        super().__init__(f"This event still can't be processed: {detail}", recovery=Recovery.NONE)


@dataclass(frozen=True, slots=True)
class Redriven:
    """What was published, and under which message id."""

    parked_id: str
    event_id: str
    message_id: str


async def redrive(parked: Parked, door: Door) -> Redriven:
    """Publish a parked event again and mark it as redriven.

    Raises StillParked before anything is published, or BrokerUnavailable: then the event may have been published.
    Redriving it once more is harmless, because the ledger recognizes an event by its own id.
    """
    event, told = _event_of(parked.data)
    # The time in milliseconds makes each try's id new: no operator tries twice in one millisecond.
    message_id = f"redrive:{time.time_ns() // 1_000_000}:{event.data.event_id}"
    ids = {"requestid": context.current_request_id(), "traceparent": context.current_traceparent()}
    again = json.dumps({**told, "id": message_id, **ids}).encode()
    await door.billing.publish(billing_subject(event_type_of(event.data.event_id)), again, message_id)
    await _mark(parked.data.id, message_id, door.parked)
    REDRIVEN.inc()
    log.info("billing.event.redriven", parkedId=parked.data.id, eventId=event.data.event_id)
    return Redriven(parked.data.id, event.data.event_id, message_id)


def hopeless(data: ParkedData) -> str | None:
    """Why a redrive would fail by what is known here, in a sentence; None where it may succeed."""
    try:
        _event_of(data)
    except StillParked as reason:
        return reason.why
    return None


def _event_of(data: ParkedData) -> tuple[BillingEvent | KeptEvent, dict[str, Any]]:
    """The event as far as this code reads it, and its whole JSON, in which a newer service may have written more."""
    if data.reason == COPIED_EVENT:
        raise StillParked("it is a copy that no service has published.")
    if data.reason == CHANGED_CONTENT:
        raise StillParked("another event with the same id came first, and that one counts.")
    try:
        told = json.loads(data.payload) if isinstance(data.payload, str) else data.payload
        if data.kind == "billing_event":
            return read_billing_event(json.dumps(told)), told
        normalized = _normalized(told, data)
        return normalized, json.loads(encode(normalized))
    except Unmappable as reason:
        raise StillParked(reason.detail) from reason
    except ValueError as error:  # not JSON, or not the shape of an event
        raise StillParked("it is not a billing event.") from error


def _normalized(payload: Mapping[str, Any], data: ParkedData) -> BillingEvent:
    if not is_event(payload):
        raise StillParked("it is not a Stripe event.")
    said = json.dumps(payload, sort_keys=True).encode()
    arrival = Arrival(Via.OPERATOR, data.at, f"sha256:{hashlib.sha256(said).hexdigest()}", signature_verified=False)
    return normalize(payload, arrival)


async def _mark(parked_id: str, message_id: str, stream: Publisher) -> None:
    now = datetime.now(UTC)
    marker = RedrivenEvent(
        id=f"redriven:{message_id}"[:255],
        source=f"/atlas/{INGEST_SERVICE}",
        type=cloudevent_type(REDRIVEN_SUBJECT),
        subject=parked_id,
        time=now,
        dataschema=data_schema("parked"),
        requestid=context.current_request_id(),
        data=RedrivenData(id=parked_id, message_id=message_id, at=now),
    )
    await stream.publish(REDRIVEN_SUBJECT, encode(marker), marker.id)
