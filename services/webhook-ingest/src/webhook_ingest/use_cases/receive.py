"""Handles a webhook: verify, read, admit. Nothing is parsed before the signature has been verified."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from atlas_contracts.billing import Via
from atlas_kit.messaging.broker import BrokerUnavailable
from atlas_kit.process.logs import get_logger, line
from atlas_stripe.arrival import Arrival
from atlas_stripe.envelope import InvalidPayload, holds_nul, read_event
from atlas_stripe.signature import InvalidSignature, SignatureVerifier
from webhook_ingest.adapters.metrics import PARKED, REJECTED, WEBHOOKS
from webhook_ingest.adapters.webhook_shares import WebhookShares
from webhook_ingest.use_cases.admit import Admission, Door, Outcome

log = get_logger()

_TYPE = re.compile(r"[\x21-\x7e]{0,100}")
"""Event types that are logged. Stripe's are much shorter than 100 characters; others don't belong in a log."""
_COUNTED = {admission: WEBHOOKS.labels(admission.value) for admission in Admission}
_NAMES = {admission: f"billing.webhook.{admission.value}" for admission in Admission}
_UNAVAILABLE = WEBHOOKS.labels("unavailable")
_REJECTED = WEBHOOKS.labels("rejected")


async def receive(
    body: bytes, signatures: Sequence[bytes], verifier: SignatureVerifier, door: Door, shares: WebhookShares
) -> Outcome:
    """Store a delivery of Stripe durably, and return what became of it.

    ``signatures``: every ``Stripe-Signature`` header. Raises InvalidSignature, InvalidPayload or BrokerUnavailable.
    """
    now = time.time()
    try:
        verifier.verify(signatures, body, now)
        event = read_event(body)
    except (InvalidSignature, InvalidPayload) as error:
        shares.count(error.reason)
        _refused(error.reason)
        raise
    shares.count()
    arrival = Arrival(
        via=Via.WEBHOOK,
        received_at=datetime.fromtimestamp(now, UTC),
        payload_hash=f"sha256:{hashlib.sha256(body).hexdigest()}",
        signature_verified=True,
    )
    try:
        outcome = await door.admit(event, arrival, suspicious=holds_nul(body))
    except BrokerUnavailable:
        _UNAVAILABLE.inc()
        raise
    _COUNTED[outcome.admission].inc()
    _tell(outcome, event["type"])
    return outcome


def _refused(reason: str) -> None:
    _REJECTED.inc()
    REJECTED.labels(reason).inc()
    log.warning("billing.webhook.rejected", reason=reason)


def _tell(outcome: Outcome, event_type: str) -> None:
    if outcome.parked:
        PARKED.labels(outcome.reason).inc()
        log.warning("billing.event.parked", eventId=outcome.event_id, reason=outcome.reason)
    shown = event_type if _TYPE.fullmatch(event_type) else None
    line(_NAMES[outcome.admission], eventId=outcome.event_id, stripeType=shown, reason=outcome.reason)
