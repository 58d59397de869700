"""Makes one Stripe customer per user, also when a call fails in between and is repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from atlas_kit.process.logs import get_logger
from atlas_kit.storage.database import Connection, Database, fetch_one
from atlas_stripe.failure import StripeFailure
from checkout.ports import CustomerCalls

log = get_logger()

MAX_ATTEMPTS = 2


async def stored_customer(database: Database, user_id: str) -> str | None:
    async with database.transaction() as connection:
        row = await fetch_one(connection, "SELECT customer_id FROM customers WHERE user_id = %s", user_id)
    return row[0] if row else None


async def customer_of(database: Database, stripe: CustomerCalls, user_id: str) -> str:
    """The user's customer, made now if there is none. Raises StripeFailure; repeating it continues where it stopped.

    The attempt is committed before Stripe is asked, so a retry, a crash or another replica asks under the same key.
    """
    for _ in range(MAX_ATTEMPTS):
        async with database.transaction() as connection:
            customer_id, attempt = await _claim(connection, user_id)
        if customer_id:
            return customer_id
        try:
            made = await stripe.create_customer(user_id, _idempotency_key(user_id, attempt))
        except StripeFailure as failure:
            if not failure.is_final:
                raise
            # It may have been made, although Stripe repeats this error for as long as it keeps the key.
            found = await stripe.search_customers(user_id)
            if not found:
                last_failure = failure
                await _raise_attempt(database, user_id, attempt)
                continue
            made = found[0]
        return await store_customer(database, user_id, made)
    raise last_failure


async def store_customer(database: Database, user_id: str, customer_id: str) -> str:
    """Store the customer, unless the user has one already or it is another user's. Returns the user's customer.

    Two requests that store the same customer at once both succeed.
    """
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO customers (user_id, customer_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (user_id, customer_id),
        )
        await connection.execute(
            "UPDATE customers SET customer_id = %(customer)s WHERE user_id = %(user)s AND customer_id IS NULL"
            " AND NOT EXISTS (SELECT FROM customers WHERE customer_id = %(customer)s)",
            {"customer": customer_id, "user": user_id},
        )
        row = await fetch_one(connection, "SELECT customer_id FROM customers WHERE user_id = %s", user_id)
    return str(row[0]) if row and row[0] else customer_id


async def owner_of_customer(database: Database, customer_id: str) -> str | None:
    """The user for whom this customer is stored."""
    async with database.transaction() as connection:
        row = await fetch_one(connection, "SELECT user_id FROM customers WHERE customer_id = %s", customer_id)
    return row[0] if row else None


def is_deleted(customer: object) -> bool:
    """Whether an expanded customer is what Stripe leaves of a deleted one."""
    return isinstance(customer, Mapping) and customer.get("deleted") is True


async def forget_customer(database: Database, user_id: str, customer_id: str) -> None:
    """Drop a stored customer that Stripe no longer has: the next purchase makes another, under a new key."""
    log.warning("stripe.customer_gone", customerId=customer_id)
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE customers SET customer_id = NULL, attempt = attempt + 1 WHERE user_id = %s AND customer_id = %s",
            (user_id, customer_id),
        )


async def _claim(connection: Connection, user_id: str) -> tuple[str | None, int]:
    row = await fetch_one(
        connection,
        "INSERT INTO customers (user_id) VALUES (%s)"
        " ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id RETURNING customer_id, attempt",
        user_id,
    )
    assert row
    return row[0], row[1]


async def _raise_attempt(database: Database, user_id: str, attempt: int) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE customers SET attempt = attempt + 1 WHERE user_id = %s AND attempt = %s AND customer_id IS NULL",
            (user_id, attempt),
        )


def _idempotency_key(user_id: str, attempt: int) -> str:
    """The idempotency key. The user id in it is hashed, because a header value must be short and ASCII."""
    return f"atlas-customer-{hashlib.sha256(user_id.encode()).hexdigest()[:40]}-{attempt}"
