"""Sweep: read named payments again at Stripe, whatever their age (Stripe forgets its events after 30 days)."""

from __future__ import annotations

import asyncio

from atlas_contracts.billing import Via
from atlas_contracts.internal_api import SweepRequest, SweepResult
from atlas_contracts.stripe_objects import could_be_id
from atlas_kit.logs import get_logger
from checkout.payment_reading import read_payment
from checkout.publishing import Publisher, publish_facts
from checkout.stripe_failure import StripeFailure
from checkout.stripe_gateway import Read
from checkout.user_payments import AT_ONCE, UserPaymentSource

log = get_logger()


async def sweep(stripe: UserPaymentSource, broker: Publisher, request: SweepRequest) -> SweepResult:
    """Publish what Stripe says of these payments. Raises StripeFailure, BrokerUnavailable; again is harmless."""
    slots = asyncio.Semaphore(AT_ONCE)
    missing: list[str] = []
    skipped: list[str] = []

    async def one(object_id: str) -> int | None:
        async with slots:
            session = await _session_of(stripe, object_id)
            if session is None:
                missing.append(object_id)
                return None
            payment = await read_payment(stripe, session, Via.PULL)
            if payment is None:
                skipped.append(session.id)
                return None
            return len(await publish_facts(broker, payment.facts))

    ids = dict.fromkeys([*request.payment_intent_ids, *request.checkout_session_ids])
    counts = [count for count in await asyncio.gather(*(one(object_id) for object_id in ids)) if count is not None]
    result = SweepResult(payments=len(counts), facts=sum(counts), missing=missing, skipped=skipped)
    log.info("billing.sweep.done", payments=result.payments, facts=result.facts, missing=len(missing))
    return result


async def _session_of(stripe: UserPaymentSource, object_id: str) -> Read | None:
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
