"""Grants of the app that we replace, as facts with their own source and date (``./atlas import``).

An event's id is made of what that app says: the same again is the same event, and a row that has changed is another.
The ledger is asked first, so that only what says something new is told.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from atlas_contracts.billing import (
    Adjustment,
    BillingData,
    BillingType,
    ImportedGrant,
    Provider,
    Via,
    schema_version_of,
)
from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_contracts.model import iso_utc
from atlas_contracts.moving_in import GrantToImport, ImportGrantsRequest, ImportGrantsResult
from atlas_contracts.streams import billing_subject
from atlas_kit.messaging.events import billing_event, encode, event_type_of
from atlas_kit.process.concurrently import all_of
from atlas_kit.process.logs import get_logger
from webhook_ingest.ports import Ledger, Publisher

log = get_logger()

APPLIED_SECONDS = 15.0
"""How long the answer waits until what was told has taken effect: it keeps the import no faster than the fold."""


async def import_grants(
    request: ImportGrantsRequest, billing: Publisher, ledger: Ledger, now: datetime
) -> ImportGrantsResult:
    """Publish those of the grants that say something new. Raises Unavailable; repeating it is harmless."""
    facts = [_data(request.origin, grant, now) for grant in request.grants]
    news = await ledger.news(facts) if facts else frozenset()
    new = [fact for fact in facts if fact.event_id in news]
    if not request.dry_run:
        await all_of(_publish(billing, fact) for fact in new)
    applied = request.dry_run or not new or await ledger.applied([fact.event_id for fact in new], APPLIED_SECONDS)
    log.info("billing.grants.imported", origin=request.origin, read=len(facts), new=len(new), dryRun=request.dry_run)
    return ImportGrantsResult(outcomes=["new" if fact.event_id in news else "known" for fact in facts], applied=applied)


async def _publish(billing: Publisher, fact: BillingData) -> None:
    event = billing_event(fact, INGEST_SERVICE)
    await billing.publish(billing_subject(event_type_of(event.id)), encode(event), event.id)


def _data(origin: str, grant: GrantToImport, now: datetime) -> BillingData:
    said = _digest(origin, grant)
    ended = grant.active_until is not None
    event_type = BillingType.ENTITLEMENT_REVOKED if ended else BillingType.ENTITLEMENT_GRANTED
    provider_event_id = f"import:{origin}:{said[:40]}"
    return BillingData(
        event_id=f"{grant.source}:{provider_event_id}:{event_type}",
        provider=Provider(grant.source),
        provider_event_id=provider_event_id,
        provider_event_type="import",
        user_id=grant.user_id,
        occurred_at=grant.active_until or grant.active_from,
        received_at=now,
        via=Via.IMPORT,
        payload_hash=f"sha256:{said}",
        signature_verified=False,
        schema_version=schema_version_of(Via.IMPORT),
        adjustment=Adjustment(
            action="revoke" if ended else "grant",
            reason=grant.reason,
            imported=ImportedGrant(
                origin=origin, active_from=grant.active_from, active_until=grant.active_until, as_of=grant.as_of
            ),
        ),
    )


def _digest(origin: str, grant: GrantToImport) -> str:
    """Of all that is said, the user included; hashed, so that forgetting the user needs to change no event id."""
    moments = [iso_utc(at) if at else None for at in (grant.active_from, grant.active_until, grant.as_of)]
    said = [origin, grant.user_id, grant.source, *moments, grant.reason]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
