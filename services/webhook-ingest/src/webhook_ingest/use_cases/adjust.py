"""Publishes an operator's adjustment: a manual grant, its revoke, the revoke of one payment, or that revoke undone.

Before anything is published, the idempotency key is claimed in the broker's bucket with a digest of the request. The
same request again is answered as done; another request under the same key is refused, by every replica.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from atlas_contracts.billing import Adjustment, BillingData, BillingType, Provider, Refs, Via
from atlas_contracts.internal_api import INGEST_SERVICE, AdjustmentRequest
from atlas_contracts.public_api import Recovery
from atlas_contracts.streams import billing_subject
from atlas_kit.http.errors import InvalidRequest
from atlas_kit.messaging.broker import BrokerUnavailable
from atlas_kit.messaging.events import billing_event, encode
from atlas_kit.process.logs import get_logger
from webhook_ingest.adapters.bucket import Bucket, BucketEntry
from webhook_ingest.ports import Publisher

log = get_logger()

TYPES = {
    "grant": BillingType.ENTITLEMENT_GRANTED,
    "revoke": BillingType.ENTITLEMENT_REVOKED,
    "revoke_payment": BillingType.ENTITLEMENT_REVOKED,
    "undo_revoke_payment": BillingType.ENTITLEMENT_GRANTED,
}
ABOUT_A_PAYMENT = 2
"""The schema version of events that adjust one payment; older readers would misunderstand them."""
TRIES = 5
"""Attempts to claim a key; an attempt fails when another replica claims the same key at the same time."""


class KeyUsedBefore(InvalidRequest):
    """The idempotency key was used before for another request."""

    status = 409
    default_message = (
        "This idempotency key was used before for another user, action, payment or reason. Nothing was changed."
    )
    default_recovery = Recovery.UPDATE_INPUT


@dataclass(frozen=True, slots=True)
class Adjusted:
    """``appended`` is false when this adjustment was published before: it was not published again."""

    event_id: str
    appended: bool


async def adjust(request: AdjustmentRequest, billing: Publisher, bucket: Bucket) -> Adjusted:
    """Publish the adjustment, once per idempotency key. Raises KeyUsedBefore or BrokerUnavailable.

    After BrokerUnavailable it may have been published; the same request again is safe.
    """
    key = f"adjustment-{hashlib.sha256(request.idempotency_key.encode()).hexdigest()[:40]}"
    says = _digest(request)
    claim = await _claimed(bucket, key, says)
    event = billing_event(_data(request, datetime.now(UTC)), INGEST_SERVICE)
    if claim.value and claim.value["done"]:
        return Adjusted(event.id, appended=False)
    stored = await billing.publish(billing_subject(TYPES[request.action]), encode(event), event.id)
    # If this mark is not stored, the next request with this key publishes the event again, and the broker drops it.
    await bucket.put(key, {"says": says, "done": True}, claim.revision)
    log.info("billing.adjustment.published", eventId=event.id, appended=not stored.duplicate)
    return Adjusted(event.id, appended=not stored.duplicate)


async def _claimed(bucket: Bucket, key: str, says: str) -> BucketEntry:
    for _ in range(TRIES):
        entry = await bucket.get(key)
        if entry.value:
            if entry.value["says"] != says:
                raise KeyUsedBefore
            return entry
        await bucket.put(key, {"says": says, "done": False}, entry.revision)
    raise BrokerUnavailable


def _digest(request: AdjustmentRequest) -> str:
    """A digest of everything that one idempotency key stands for. The bucket has no user id, so forgetting a user
    doesn't concern it.
    """
    said = [request.idempotency_key, request.user_id, request.action, request.payment_id, request.reason]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _data(request: AdjustmentRequest, now: datetime) -> BillingData:
    return BillingData(
        event_id=f"{Provider.MANUAL}:{request.idempotency_key}:{TYPES[request.action]}",
        provider=Provider.MANUAL,
        provider_event_id=request.idempotency_key,
        provider_event_type=request.action,
        idempotency_key=request.idempotency_key,
        user_id=request.user_id,
        occurred_at=now,
        received_at=now,
        via=Via.OPERATOR,
        payload_hash=f"sha256:{_digest(request)}",
        signature_verified=False,
        schema_version=ABOUT_A_PAYMENT if request.payment_id else 1,
        refs=_refs(request.payment_id),
        adjustment=Adjustment(
            action=request.action,
            reason=request.reason,
            operator=request.operator,
            ticket=request.ticket,
            approved_by=request.approved_by,
        ),
    )


def _refs(payment_id: str | None) -> Refs:
    if payment_id is None:
        return Refs()
    is_session = payment_id.startswith("cs_")
    return Refs(checkout_session_id=payment_id) if is_session else Refs(payment_intent_id=payment_id)
