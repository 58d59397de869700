"""Facts of which this service is the source: the sessions that it asked Stripe for, and users' restore requests."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from atlas_contracts.billing import (
    BillingData,
    BillingType,
    Provider,
    RecordedSession,
    Refs,
    RestoreFacts,
    Via,
    schema_version_of,
)
from atlas_contracts.model import WireModel


def purchase_initiated(
    user_id: str,
    customer_id: str | None,
    recorded: RecordedSession,
    occurred_at: datetime,
    received_at: datetime,
    via: Via = Via.CHECKOUT,
) -> BillingData:
    """A session was made for ``user_id``, by us or by the app that we replace; a payment must match it."""
    provider_event_id = f"initiated:{recorded.id}"
    return BillingData(
        event_id=f"{Provider.STRIPE}:{provider_event_id}:{BillingType.PURCHASE_INITIATED}",
        provider=Provider.STRIPE,
        provider_event_id=provider_event_id,
        user_id=user_id,
        occurred_at=occurred_at,
        received_at=received_at,
        via=via,
        payload_hash=_hash_of(recorded, user_id),
        signature_verified=False,
        schema_version=schema_version_of(via),
        refs=Refs(checkout_session_id=recorded.id, customer_id=customer_id),
        recorded_session=recorded,
    )


def restore_fact(
    event_type: BillingType, restore_id: str, user_id: str, restore: RestoreFacts, at: datetime
) -> BillingData:
    """``restore_requested``, ``_succeeded`` or ``_failed``; each restore has a ``restore_id`` of its own."""
    stage = "requested" if event_type is BillingType.RESTORE_REQUESTED else "finished"
    provider_event_id = f"restore:{restore_id}:{stage}"
    return BillingData(
        event_id=f"{Provider.STRIPE}:{provider_event_id}:{event_type}",
        provider=Provider.STRIPE,
        provider_event_id=provider_event_id,
        idempotency_key=f"restore:{restore_id}:{stage}",
        user_id=user_id,
        occurred_at=at,
        received_at=at,
        via=Via.RESTORE,
        payload_hash=_hash_of(restore, user_id),
        signature_verified=False,
        restore=restore,
    )


def _hash_of(said: WireModel, user_id: str) -> str:
    canonical = json.dumps([said.model_dump(mode="json", by_alias=True), user_id], sort_keys=True)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
