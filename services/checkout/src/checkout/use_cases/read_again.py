"""Read named payments again at Stripe, whatever their age, and publish what it says (``/operator/sweep``).

A pull reads events, which Stripe keeps for 30 days; this reads the payments themselves.
"""

from __future__ import annotations

import asyncio

from atlas_contracts.billing import Via
from atlas_contracts.internal_api import SweepRequest, SweepResult
from atlas_kit.process.concurrently import all_of
from atlas_kit.process.logs import get_logger
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read, could_be_id
from atlas_stripe.patience import Patience
from checkout.adapters.publishing import publish_facts
from checkout.ports import PaymentReads, Publisher
from checkout.use_cases.find_payments import AT_ONCE
from checkout.use_cases.read_payment import PaymentAtStripe, read_payment

log = get_logger()

PATIENCE_SECONDS = 120
"""Seconds for all pauses after Stripe's 429 together: long, because no user waits for this."""


async def read_again(stripe: PaymentReads, broker: Publisher, request: SweepRequest) -> SweepResult:
    """Publish the state of these payments at Stripe. Raises StripeFailure, BrokerUnavailable; repeating is harmless."""
    slots, patience = asyncio.Semaphore(AT_ONCE), Patience(PATIENCE_SECONDS)
    missing: list[str] = []
    skipped: list[str] = []

    async def one(object_id: str) -> int | None:
        async with slots:
            payment = await patience.ask(lambda: _payment_of(stripe, object_id))
            if payment is None:
                missing.append(object_id)
                return None
            if payment.unreadable:
                skipped.append(payment.session_id)
                return None
            return len(await publish_facts(broker, payment.facts))

    ids = dict.fromkeys([*request.payment_intent_ids, *request.checkout_session_ids])
    counts = [count for count in await all_of(one(object_id) for object_id in ids) if count is not None]
    result = SweepResult(payments=len(counts), facts=sum(counts), missing=missing, skipped=skipped)
    log.info("billing.sweep.done", payments=result.payments, facts=result.facts, missing=len(missing))
    return result


async def _payment_of(stripe: PaymentReads, object_id: str) -> PaymentAtStripe | None:
    session = await _session_of(stripe, object_id)
    return await read_payment(stripe, session, Via.PULL) if session else None


async def _session_of(stripe: PaymentReads, object_id: str) -> Read | None:
    if not could_be_id(object_id):
        return None
    try:
        if object_id.startswith("cs_"):
            return await stripe.read_session(object_id)
        async for session in stripe.sessions(payment_intent=object_id):
            return session
    except StripeFailure as failure:
        if not failure.is_missing:
            raise
    return None
