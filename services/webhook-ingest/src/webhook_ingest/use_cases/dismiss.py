"""Dismisses a parked event: what can never succeed leaves the list, and is kept with who said so and why."""

from __future__ import annotations

from datetime import UTC, datetime

from atlas_contracts.cloudevents import data_schema
from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_contracts.parked import DismissedData, DismissedEvent, DismissRequest
from atlas_contracts.streams import cloudevent_type
from atlas_kit.messaging.events import encode
from atlas_kit.process import context
from atlas_kit.process.logs import get_logger
from webhook_ingest.adapters.parked_reader import DISMISSED_SUBJECT, Parked
from webhook_ingest.ports import Publisher

log = get_logger()


async def dismiss(parked: Parked, asked: DismissRequest, stream: Publisher) -> DismissedData:
    """Take a parked event off the list; returns the note, an earlier one where it was dismissed before.

    Raises BrokerUnavailable; repeating it is harmless. A redrive puts an end to a dismissal.
    """
    if parked.dismissed is not None:
        return parked.dismissed
    parked_id, digest = parked.mark
    now = datetime.now(UTC)
    note = DismissedData(id=parked_id, event_digest=digest, reason=asked.reason, operator=asked.operator, at=now)
    # The same for everybody who dismisses it at once, so that the broker stores one; another after every redrive.
    since = int(parked.stored.timestamp() * 1000) if parked.stored else 0
    marker = DismissedEvent(
        id=f"dismissed:{digest}:{since}:{len(parked.redriven)}:{parked_id}"[:255],
        source=f"/atlas/{INGEST_SERVICE}",
        type=cloudevent_type(DISMISSED_SUBJECT),
        subject=parked_id,
        time=now,
        dataschema=data_schema("parked"),
        requestid=context.current_request_id(),
        data=note,
    )
    await stream.publish(DISMISSED_SUBJECT, encode(marker), marker.id)
    log.info("billing.parked.dismissed", parkedId=parked_id, eventId=parked.data.event_id)
    return note
