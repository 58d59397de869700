"""An operator's word, as an event like any other: a manual grant, or its end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from atlas_contracts.billing import Adjustment, BillingData, BillingType, Provider, Via
from atlas_contracts.internal_api import INGEST_SERVICE, AdjustmentRequest
from atlas_contracts.streams import billing_subject
from atlas_kit.events import billing_event, encode
from atlas_kit.logs import get_logger
from webhook_ingest.door import Publisher

log = get_logger()

TYPES = {"grant": BillingType.ENTITLEMENT_GRANTED, "revoke": BillingType.ENTITLEMENT_REVOKED}


@dataclass(frozen=True, slots=True)
class Adjusted:
    """``appended`` is false when this idempotency key was used before: nothing happened again."""

    event_id: str
    appended: bool


async def adjust(request: AdjustmentRequest, billing: Publisher) -> Adjusted:
    """Publish the adjustment; one idempotency key is one adjustment. Raises BrokerUnavailable."""
    now = datetime.now(UTC)
    canonical = TYPES[request.action]
    data = BillingData(
        event_id=f"{Provider.MANUAL}:{request.idempotency_key}:{canonical}",
        provider=Provider.MANUAL,
        provider_event_id=request.idempotency_key,
        provider_event_type=request.action,
        idempotency_key=request.idempotency_key,
        user_id=request.user_id,
        occurred_at=now,
        received_at=now,
        via=Via.OPERATOR,
        payload_hash=f"sha256:{hashlib.sha256(request.model_dump_json().encode()).hexdigest()}",
        signature_verified=False,
        adjustment=Adjustment(action=request.action, reason=request.reason, operator=request.operator),
    )
    event = billing_event(data, INGEST_SERVICE)
    stored = await billing.publish(billing_subject(canonical), encode(event), event.id)
    log.info("billing.adjustment.published", eventId=event.id, appended=not stored.duplicate)
    return Adjusted(event.id, appended=not stored.duplicate)
