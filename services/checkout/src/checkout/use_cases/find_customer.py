"""Find the Stripe customer of a user: in our table, else in the ledger's facts, else by metadata at Stripe."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_kit.storage.database import Database
from atlas_stripe.failure import StripeFailure
from checkout.adapters.customers import (
    customer_of,
    is_deleted,
    owner_of_customer,
    store_customer,
    stored_customer,
)
from checkout.ports import CustomerCalls, LedgerCustomers


@dataclass(frozen=True, slots=True)
class Customers:
    """The three places where a user's customer may be known."""

    database: Database
    stripe: CustomerCalls
    ledger: LedgerCustomers


async def find_customer(customers: Customers, user_id: str) -> str | None:
    """The user's customer, stored in our table when found elsewhere; None where there is none.

    Raises StripeFailure, Unavailable.
    """
    stored = await stored_customer(customers.database, user_id)
    if stored:
        return stored
    for candidate in await customers.ledger.customers(user_id):
        if await _is_usable(customers, user_id, candidate):
            return await store_customer(customers.database, user_id, candidate)
    for candidate in await customers.stripe.search_customers(user_id):
        if await owner_of_customer(customers.database, candidate) in (None, user_id):
            return await store_customer(customers.database, user_id, candidate)
    return None


async def replace_customer(customers: Customers, user_id: str) -> str | None:
    """Another customer for a user whose stored one Stripe no longer has. None where they never paid.

    It is made anew only where the ledger knows a payment of theirs.
    """
    found = await find_customer(customers, user_id)
    if found is None and await customers.ledger.customers(user_id):
        return await customer_of(customers.database, customers.stripe, user_id)
    return found


async def _is_usable(customers: Customers, user_id: str, customer_id: str) -> bool:
    """Whether the customer still exists and is not stored for another user."""
    if await owner_of_customer(customers.database, customer_id) not in (None, user_id):
        return False
    try:
        customer = (await customers.stripe.read_customer(customer_id)).body
    except StripeFailure as failure:
        if failure.is_missing:
            return False
        raise
    return not is_deleted(customer) and (customer.get("metadata") or {}).get("userId") in (None, "", user_id)
