"""Puts events into their CloudEvents envelope before they are published."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from atlas_contracts.billing import BillingData, BillingEvent
from atlas_contracts.cloudevents import CloudEvent, data_schema
from atlas_contracts.entitlements import EntitlementData, EntitlementEvent
from atlas_contracts.streams import billing_subject, cloudevent_type, entitlement_subject
from atlas_kit.process import context

CAUSE_DIGITS = 8
"""Hexadecimal digits of the hash of the cause that is a part of an entitlement event's id."""


def now() -> datetime:
    return datetime.now(UTC)


def event_type_of(event_id: str) -> str:
    """The canonical type at the end of an event id: ``stripe:evt_1:refund_issued`` → ``refund_issued``."""
    return event_id.rsplit(":", 1)[1]


def billing_event(data: BillingData, source: str) -> BillingEvent:
    """The CloudEvent for ``data``. Its ``subject`` is the user, or the payment's id if the user is unknown."""
    refs = data.refs
    payment = refs.payment_intent_id or refs.checkout_session_id or refs.charge_id or refs.refund_id or refs.dispute_id
    return BillingEvent(
        id=data.event_id,
        source=f"/atlas/{source}",
        type=cloudevent_type(billing_subject(event_type_of(data.event_id))),
        subject=data.user_id or payment,
        time=data.occurred_at,
        dataschema=data_schema("billing"),
        traceparent=context.current_traceparent(),
        requestid=context.current_request_id(),
        data=data,
    )


def entitlement_event(data: EntitlementData, event_type: str, at: datetime) -> EntitlementEvent:
    """The CloudEvent for an entitlement's new state.

    Its id, which is also the message id, names user, version and cause. The cause is needed because a user who was
    forgotten and comes back starts at version 1 again.
    """
    cause = hashlib.sha256(data.caused_by.encode()).hexdigest()[:CAUSE_DIGITS]
    return EntitlementEvent(
        id=f"entitlement:{data.user_id}:{data.version}:{cause}",
        source="/atlas/entitlements",
        type=cloudevent_type(entitlement_subject(event_type)),
        subject=data.user_id,
        time=at,
        dataschema=data_schema("entitlements"),
        traceparent=context.current_traceparent(),
        requestid=context.current_request_id(),
        data=data,
    )


def encode(event: CloudEvent[Any]) -> bytes:
    """The event as CloudEvents JSON, as it is sent."""
    return event.model_dump_json(by_alias=True, exclude_none=False).encode()
