"""Makes the message by which a Stripe event that can't be processed is stored on PARKED for an operator."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from atlas_contracts.cloudevents import data_schema
from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_contracts.parked import ParkedData, ParkedEvent
from atlas_contracts.streams import cloudevent_type, parked_subject
from atlas_contracts.text import visible
from atlas_kit.process import context
from atlas_stripe.objects import Unmappable
from webhook_ingest.domain.retained import retained

_ID_LENGTH = 20
_MAX_SHOWN = 200


def parked_stripe_event(
    event: Mapping[str, Any], reason: Unmappable, at: datetime, *, again: bool = False
) -> ParkedEvent:
    """The event, reduced to what a redrive needs, with the reason and its time of arrival ``at``.

    The message's id is derived from the Stripe event's id, so that the broker drops a redelivery as a duplicate. With
    ``again`` (the same Stripe id came before with other content) the id is derived from the content too.
    """
    kept = retained(event)
    named = json.dumps([event["id"], kept], sort_keys=True) if again else event["id"]
    digest = hashlib.sha256(named.encode()).hexdigest()
    parked_id = f"pk_{digest[:_ID_LENGTH]}"
    event_id = f"stripe:{visible(event['id'][:_MAX_SHOWN])}"
    return ParkedEvent(
        id=f"parked:{parked_id}",
        source=f"/atlas/{INGEST_SERVICE}",
        type=cloudevent_type(parked_subject(reason.reason)),
        subject=event_id,
        time=at,
        dataschema=data_schema("parked"),
        traceparent=context.current_traceparent(),
        requestid=context.current_request_id(),
        data=ParkedData(
            id=parked_id,
            kind="stripe_event",
            reason=reason.reason,
            detail=reason.detail,
            subject=event["type"],
            event_id=event_id,
            at=at,
            payload=kept,
        ),
    )
