"""Forget a user: who they are leaves this database and what we wrote at Stripe; the money's own records stay there.

Were the user id left in Stripe's metadata, the next pull, sweep or audit would bring it back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from atlas_kit.database import Database
from atlas_kit.logs import get_logger
from checkout import attempts
from checkout.customers import stored_customer
from checkout.standing import charge_of
from checkout.stripe_failure import StripeFailure
from checkout.stripe_gateway import Read

log = get_logger()


class EraseProvider(Protocol):
    async def search_customers(self, user_id: str) -> list[str]: ...

    def sessions(self, **filters: Any) -> AsyncIterator[Read]: ...

    async def read_session(self, session_id: str) -> Read: ...

    async def expire_session(self, session_id: str) -> Read: ...

    async def erase_user(self, object_id: str) -> None: ...


async def forget_user(database: Database, stripe: EraseProvider, user_id: str) -> int:
    """How many sessions were about the user. Raises StripeFailure; again continues where it stopped."""
    stored = await stored_customer(database, user_id)
    customers = dict.fromkeys([*([stored] if stored else []), *await stripe.search_customers(user_id)])
    sessions: dict[str, Read] = {}
    for customer_id in customers:
        async for session in stripe.sessions(customer=customer_id):
            sessions[session.id] = session
    for session_id in await attempts.all_sessions(database, user_id):
        if session_id not in sessions:
            sessions[session_id] = await stripe.read_session(session_id)
    mine = [s for s in sessions.values() if (s.body.get("metadata") or {}).get("userId") == user_id]
    for session in mine:
        await _erase_session(stripe, session)
    for customer_id in customers:
        await stripe.erase_user(customer_id)
    await attempts.erase(database, user_id)
    log.info("billing.user.forgotten", sessions=len(mine))
    return len(mine)


async def _erase_session(stripe: EraseProvider, session: Read) -> None:
    """Payment and charge first: the session is what leads to them when this has to be done again."""
    if session.body.get("status") == "open":
        try:
            await stripe.expire_session(session.id)
        except StripeFailure as failure:
            if failure.status != 400:
                raise
    intent, charge = session.body.get("payment_intent"), charge_of(session.body)
    for object_id in (charge and charge["id"], intent and intent["id"], session.id):
        if object_id:
            await stripe.erase_user(object_id)
