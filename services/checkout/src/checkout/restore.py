"""Restore: read again what Stripe knows of a user's purchases, publish it as facts, and say honestly what came of it.

The client is trusted with nothing. What was refunded or lost comes back as refunded or lost.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from prometheus_client import Counter

from atlas_contracts.billing import BillingType, RestoreFacts, Via
from atlas_contracts.internal_api import EntitlementView
from atlas_contracts.public_api import RestoreResult
from atlas_kit import outbox
from atlas_kit.database import Database
from atlas_kit.errors import Unavailable
from atlas_kit.events import now
from atlas_kit.logs import get_logger
from checkout.own_facts import restore_fact
from checkout.payment_reading import Payment
from checkout.publishing import Publisher, outbox_messages, publish_facts
from checkout.standing import Standing
from checkout.user_payments import UserPaymentSource, payments_of_user

log = get_logger()

PROVIDER_SECONDS = 20
"""For all that is asked of Stripe and of the ledger; the routes give a few seconds more."""

RESTORES = Counter("atlas_restores_total", "Restores by outcome.", ["outcome"])

Reason = Literal["refunded", "chargeback_lost", "payment_pending"]
REASONS: dict[Standing, Reason] = {
    Standing.PENDING: "payment_pending",
    Standing.DISPUTED: "payment_pending",  # suspended while the bank decides: it may still come back
    Standing.LOST: "chargeback_lost",
    Standing.REFUNDED: "refunded",
}
"""Why a purchase that is there doesn't make its buyer Pro, the most hopeful first."""


class EntitlementSource(Protocol):
    async def entitlement(self, user_id: str) -> EntitlementView: ...

    async def applied(self, user_id: str, event_ids: list[str]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Restore:
    """What restoring works with."""

    database: Database
    stripe: UserPaymentSource
    broker: Publisher
    entitlements: EntitlementSource


async def restore(tools: Restore, user_id: str, trigger: str) -> RestoreResult:
    """What the user's purchases come to now. Raises StripeFailure, Unavailable, TimeoutError."""
    restore_id = uuid.uuid4().hex
    await _record(tools, restore_id, user_id, BillingType.RESTORE_REQUESTED, RestoreFacts(trigger=trigger))
    try:
        async with asyncio.timeout(PROVIDER_SECONDS):
            result = await _restore(tools, user_id)
    except Exception:
        RESTORES.labels("unavailable").inc()
        failed = RestoreFacts(trigger=trigger, outcome="unavailable")
        await _record(tools, restore_id, user_id, BillingType.RESTORE_FAILED, failed)
        raise
    told = RestoreFacts(trigger=trigger, outcome=result.outcome, reason=result.reason)
    good = result.outcome in ("restored", "already_active")
    finished = BillingType.RESTORE_SUCCEEDED if good else BillingType.RESTORE_FAILED
    await _record(tools, restore_id, user_id, finished, told)
    RESTORES.labels(result.outcome).inc()
    event = f"billing.restore.{result.outcome}"
    log.info(event, userId=user_id, restoreId=restore_id, reason=result.reason)
    return result


async def _restore(tools: Restore, user_id: str) -> RestoreResult:
    before = await tools.entitlements.entitlement(user_id)
    payments = await payments_of_user(tools.database, tools.stripe, user_id, Via.RESTORE)
    event_ids = await publish_facts(tools.broker, [fact for payment in payments for fact in payment.facts])
    if not await tools.entitlements.applied(user_id, event_ids):
        raise Unavailable
    after = await tools.entitlements.entitlement(user_id)
    return _result(before, after, payments)


def _result(before: EntitlementView, after: EntitlementView, payments: Sequence[Payment]) -> RestoreResult:
    if after.is_pro:
        outcome: Literal["already_active", "restored"] = "already_active" if before.is_pro else "restored"
        return RestoreResult(outcome=outcome, entitlement=after.summary())
    standings = {payment.standing for payment in payments}
    reason = next((reason for standing, reason in REASONS.items() if standing in standings), None)
    return RestoreResult(outcome="not_eligible" if reason else "not_found", reason=reason, entitlement=after.summary())


async def _record(
    tools: Restore, restore_id: str, user_id: str, event_type: BillingType, restore: RestoreFacts
) -> None:
    fact = restore_fact(event_type, restore_id, user_id, restore, now())
    async with tools.database.transaction() as connection:
        await outbox.enqueue(connection, outbox_messages([fact]))
