"""Find and read all payments of one user at Stripe: by customer, metadata and recorded sessions; never by e-mail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from atlas_contracts.billing import Via
from atlas_kit.process.concurrently import all_of
from atlas_kit.storage.database import Database
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read, could_be_id
from atlas_stripe.patience import Patience
from checkout.adapters import attempts
from checkout.adapters.customers import store_customer, stored_customer
from checkout.domain.payment_outcome import HOLDS_MONEY
from checkout.ports import PaymentReads
from checkout.use_cases.owner_of_session import named_in, sessions_of
from checkout.use_cases.read_payment import PaymentAtStripe, read_payment

AT_ONCE = 4
"""Payments read at a time: Stripe allows 25 requests a second of a test key, and other requests need some of them."""
PATIENCE_SECONDS = 5
"""Seconds for all pauses after Stripe's 429 together: short, because a user waits for the answer."""
MAX_RECORDED = 20
"""Most recorded sessions that are read one by one, because they are in no customer's list (it was deleted, say)."""


async def find_payments(
    database: Database, stripe: PaymentReads, user_id: str, via: Via, beside: Sequence[str] = ()
) -> list[PaymentAtStripe]:
    """Everything about the user's complete sessions, newest first. Raises StripeFailure.

    ``beside``: further sessions that may be the user's (no customer lists one that was made without a customer).
    """
    patience = Patience(PATIENCE_SECONDS)
    sessions = await patience.ask(lambda: _complete_sessions(database, stripe, user_id, beside))
    slots = asyncio.Semaphore(AT_ONCE)

    async def read(session: Read) -> PaymentAtStripe:
        async with slots:
            return await patience.ask(lambda: read_payment(stripe, session, via))

    payments = await all_of(read(session) for session in sessions)
    # A payment that could not be mapped is kept only where it holds money: a person must then look at it.
    return [payment for payment in payments if not payment.unreadable or payment.outcome in HOLDS_MONEY]


async def _complete_sessions(
    database: Database, stripe: PaymentReads, user_id: str, beside: Sequence[str]
) -> list[Read]:
    found: dict[str, Read] = {}
    stored = await stored_customer(database, user_id)
    if stored:
        await _collect(stripe, stored, found)
    if not any(named_in(session.body) == user_id for session in found.values()):
        others = await stripe.search_customers(user_id)
        for customer_id in others:
            await _collect(stripe, customer_id, found)
        if others and not stored:
            await store_customer(database, user_id, others[0])
    for session_id in (*await attempts.recorded_sessions(database, user_id, MAX_RECORDED), *beside):
        if session_id not in found and could_be_id(session_id):
            await _collect_one(stripe, session_id, found)
    mine = await sessions_of(database, user_id, found.values())
    return sorted(mine, key=lambda session: session.body.get("created", 0), reverse=True)


async def _collect(stripe: PaymentReads, customer_id: str, found: dict[str, Read]) -> None:
    try:
        async for session in stripe.sessions(customer=customer_id, status="complete"):
            found[session.id] = session
    except StripeFailure as failure:
        if not failure.is_missing:  # a customer that was deleted has nothing to list
            raise


async def _collect_one(stripe: PaymentReads, session_id: str, found: dict[str, Read]) -> None:
    try:
        session = await stripe.read_session(session_id)
    except StripeFailure as failure:
        if not failure.is_missing:
            raise
        return
    if session.body.get("status") == "complete":
        found[session_id] = session
