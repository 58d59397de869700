"""Parking: a message that can't be processed is stored whole on the stream PARKED, with its reason, for an operator."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from nats.aio.msg import Msg
from prometheus_client import Counter

from atlas_contracts.cloudevents import data_schema
from atlas_contracts.parked import ParkedData, ParkedEvent
from atlas_contracts.streams import PARKED, cloudevent_type, parked_subject
from atlas_kit.messaging.broker import Broker
from atlas_kit.process import context
from atlas_kit.process.logs import get_logger

log = get_logger()

EVENTS_PARKED = Counter("atlas_events_parked_total", "Events parked.", ["reason"])


async def park(broker: Broker, message: Msg, reason: str, detail: str, at: datetime) -> None:
    """Store ``message`` on PARKED. Parking the same message again changes nothing. Raises BrokerUnavailable."""
    sequence = message.metadata.sequence.stream
    parked_id = f"billing-{sequence}"
    event_id = (message.headers or {}).get("Nats-Msg-Id") or parked_id
    subject = parked_subject(reason)
    data = ParkedData(
        id=parked_id,
        kind="billing_event",
        reason=reason,
        detail=detail,
        subject=message.subject,
        event_id=event_id,
        at=at,
        payload=_readable(message.data),
    )
    event = ParkedEvent(
        id=f"parked:{parked_id}",
        source="/atlas/entitlements",
        type=cloudevent_type(subject),
        subject=event_id,
        time=at,
        dataschema=data_schema("parked"),
        requestid=context.current_request_id(),
        data=data,
    )
    await broker.publish(subject, event.model_dump_json(by_alias=True).encode(), event.id, stream=PARKED)
    EVENTS_PARKED.labels(reason).inc()
    log.warning("billing.event.parked", reason=reason, eventId=event_id, parkedId=parked_id)


def _readable(payload: bytes) -> dict[str, Any] | str:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode("utf-8", "replace")
    return value if isinstance(value, dict) else payload.decode("utf-8", "replace")
