"""All payments of one user at Stripe, found by customer, metadata and recorded sessions; never by e-mail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from atlas_contracts.billing import Via
from atlas_kit.database import Database
from checkout import attempts
from checkout.customers import store_customer, stored_customer
from checkout.payment_reading import Payment, PaymentSource, read_payment
from checkout.stripe_failure import StripeFailure
from checkout.stripe_gateway import Read

AT_ONCE = 4
"""Payments read at a time: Stripe's test mode allows 25 requests a second, and others want some."""
MAX_RECORDED = 20
"""Recorded sessions that are read one by one where no customer lists them (it was deleted, say)."""


class UserPaymentSource(PaymentSource, Protocol):
    async def search_customers(self, user_id: str) -> list[str]: ...

    async def read_session(self, session_id: str) -> Read: ...

    def sessions(self, **filters: Any) -> AsyncIterator[Read]: ...


async def payments_of_user(database: Database, stripe: UserPaymentSource, user_id: str, via: Via) -> list[Payment]:
    """Everything about the user's complete sessions, newest first. Raises StripeFailure."""
    sessions = await _complete_sessions(database, stripe, user_id)
    slots = asyncio.Semaphore(AT_ONCE)

    async def read(session: Read) -> Payment | None:
        async with slots:
            return await read_payment(stripe, session, via)

    payments = await asyncio.gather(*(read(session) for session in sessions))
    return [payment for payment in payments if payment]


async def _complete_sessions(database: Database, stripe: UserPaymentSource, user_id: str) -> list[Read]:
    found: dict[str, Read] = {}
    stored = await stored_customer(database, user_id)
    if stored:
        await _collect(stripe, stored, user_id, found)
    if not found:
        others = await stripe.search_customers(user_id)
        for customer_id in others:
            await _collect(stripe, customer_id, user_id, found)
        if others and not stored:
            await store_customer(database, user_id, others[0])
    for session_id in await attempts.recorded_sessions(database, user_id, MAX_RECORDED):
        if session_id not in found:
            await _collect_recorded(stripe, session_id, user_id, found)
    return sorted(found.values(), key=lambda session: session.body.get("created", 0), reverse=True)


async def _collect(stripe: UserPaymentSource, customer_id: str, user_id: str, found: dict[str, Read]) -> None:
    try:
        async for session in stripe.sessions(customer=customer_id, status="complete"):
            if _is_of(session, user_id):
                found[session.id] = session
    except StripeFailure as failure:
        if not failure.is_missing:  # a customer that was deleted has nothing to list
            raise


async def _collect_recorded(stripe: UserPaymentSource, session_id: str, user_id: str, found: dict[str, Read]) -> None:
    try:
        session = await stripe.read_session(session_id)
    except StripeFailure as failure:
        if not failure.is_missing:
            raise
        return
    if session.body.get("status") == "complete" and _is_of(session, user_id):
        found[session_id] = session


def _is_of(session: Read, user_id: str) -> bool:
    """By the metadata that our server set; the customer alone proves nothing."""
    metadata = session.body.get("metadata") or {}
    return bool(metadata.get("userId") == user_id)
