"""Restore a user's purchases: read all their payments at Stripe, publish them as facts, and answer what these came to.

Nothing that the client says is believed; a payment that was refunded or lost to a dispute stays so.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Literal

from prometheus_client import Counter

from atlas_contracts.billing import BillingType, RestoreFacts, Via
from atlas_contracts.public_api import RestoreResult
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging import outbox
from atlas_kit.messaging.events import now
from atlas_kit.process.logs import get_logger
from checkout.adapters import attempts
from checkout.adapters.publishing import outbox_messages, publish_facts
from checkout.domain.own_facts import restore_fact
from checkout.use_cases.find_payments import find_payments
from checkout.use_cases.purchases import Purchases
from checkout.use_cases.read_payment import PaymentAtStripe
from checkout.use_cases.why_not_pro import WhyNotPro, why_not_pro

log = get_logger()

PROVIDER_SECONDS = 20
"""Seconds for all calls to Stripe and to the entitlements service; the route's own limit is a few seconds longer."""

RESTORES = Counter("atlas_restores_total", "Restores by outcome.", ["outcome"])

REASONS: tuple[WhyNotPro, ...] = (
    "payment_pending",
    "needs_review",
    "revoked_by_operator",
    "chargeback_lost",
    "refunded",
    "free_checkout",
)
"""Reasons why purchases don't make their buyer Pro. Of several, the first in this order is answered: those that may
still change come first."""


async def restore(tools: Purchases, user_id: str, trigger: str) -> RestoreResult:
    """Whether the purchases make the user Pro now, and if not, why. Raises StripeFailure, Unavailable, TimeoutError."""
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


async def _restore(tools: Purchases, user_id: str) -> RestoreResult:
    before = await tools.entitlements.entitlement(user_id)
    payments = await find_payments(tools.database, tools.stripe, user_id, Via.RESTORE)
    event_ids = await publish_facts(tools.broker, [fact for payment in payments for fact in payment.facts])
    if not await tools.entitlements.applied(user_id, event_ids):
        raise Unavailable
    after = await tools.entitlements.entitlement(user_id)
    if after.is_pro:
        outcome: Literal["already_active", "restored"] = "already_active" if before.is_pro else "restored"
        return RestoreResult(outcome=outcome, entitlement=after.summary())
    reason = await _reason(tools, user_id, payments)
    return RestoreResult(outcome="not_eligible" if reason else "not_found", reason=reason, entitlement=after.summary())


async def _reason(tools: Purchases, user_id: str, payments: Sequence[PaymentAtStripe]) -> WhyNotPro | None:
    ids = [payment.session_id for payment in payments]
    if not ids:
        return None
    verdicts = await tools.entitlements.verdicts(user_id, ids)
    made = await attempts.owners_of_sessions(tools.database, ids)
    found = {why_not_pro(p, verdicts.get(p.session_id), recorded=p.session_id in made) for p in payments}
    return next((reason for reason in REASONS if reason in found), None)


async def _record(
    tools: Purchases, restore_id: str, user_id: str, event_type: BillingType, restore: RestoreFacts
) -> None:
    fact = restore_fact(event_type, restore_id, user_id, restore, now())
    async with tools.database.transaction() as connection:
        await outbox.enqueue(connection, outbox_messages([fact]))
