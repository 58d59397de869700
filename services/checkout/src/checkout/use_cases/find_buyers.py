"""Find whose an e-mail, an invoice number, a payment link or a fraud warning is, by asking Stripe now.

The e-mail is sent to Stripe and to nowhere else: it is in no table, log line or answer. Who owns what is found is told
by our own records and by metadata, as for any id of Stripe's; never by the e-mail, which somebody else may have typed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from atlas_contracts.support import Buyers, BuyersWanted
from atlas_contracts.user_id import is_user_id
from atlas_kit.storage.database import Database
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read, StripeObject
from checkout.adapters.customers import owner_of_customer
from checkout.ports import ObjectReads
from checkout.use_cases.find_owner import owner_of

MOST = 50
"""Customers and sessions that are looked at: each may cost two more requests, and a person waits."""


class BuyerReads(ObjectReads, Protocol):
    """Searching customers, invoices and warnings."""

    def customers_with(self, email: str) -> AsyncIterator[Read]: ...

    def invoices_numbered(self, number: str) -> AsyncIterator[Read]: ...

    async def read_warning(self, warning_id: str) -> Read: ...


async def find_buyers(database: Database, stripe: BuyerReads, wanted: BuyersWanted) -> Buyers:
    """The users; ``known`` is false where Stripe has nothing of the kind. Raises StripeFailure."""
    search = _Search(database, stripe)
    if wanted.email is not None:
        await search.by_email(wanted.email)
    elif wanted.invoice_number is not None:
        await search.owners(stripe.invoices_numbered(wanted.invoice_number))
    elif wanted.payment_link is not None:
        await search.owners(stripe.sessions(payment_link=wanted.payment_link))
    elif wanted.fraud_warning is not None:
        await search.by_warning(wanted.fraud_warning)
    return Buyers(known=search.known, user_ids=sorted(search.users), more=search.more)


class _Search:
    """What one search has found so far."""

    def __init__(self, database: Database, stripe: BuyerReads) -> None:
        self._database, self._stripe = database, stripe
        self.known, self.more = False, False
        self.users: set[str] = set()
        self._seen: set[str] = set()

    async def by_email(self, email: str) -> None:
        """By the customers who have it, and by the sessions at which it was typed (a payment link makes no customer).

        Stripe compares capitals in lists, and finds new objects in a search only after a moment: both are asked.
        """
        for spelling in dict.fromkeys((email, email.lower())):
            async for customer in self._bounded(self._stripe.customers_with(spelling)):
                await self._customer(customer.body)
            await self.owners(self._stripe.sessions(customer_details={"email": spelling}))

    async def by_warning(self, warning_id: str) -> None:
        try:
            warning = (await self._stripe.read_warning(warning_id)).body
        except StripeFailure as failure:
            if not failure.is_missing:
                raise
            return
        await self._owner(warning)

    async def owners(self, found: AsyncIterator[Read]) -> None:
        try:
            async for read in self._bounded(found):
                await self._owner(read.body)
        except StripeFailure as failure:
            if not failure.is_missing:  # an unknown payment link is an error at Stripe, no empty list
                raise

    async def _owner(self, body: StripeObject) -> None:
        self.known = True
        self._add((await owner_of(self._database, self._stripe, body)).user_id)

    async def _customer(self, customer: Mapping[str, Any]) -> None:
        """A customer's user; of one that names nobody, the users of its sessions."""
        self.known = True
        named = (customer.get("metadata") or {}).get("userId")
        owner = named or await owner_of_customer(self._database, str(customer["id"]))
        if owner:
            self._add(str(owner))
            return
        async for session in self._bounded(self._stripe.sessions(customer=str(customer["id"]))):
            await self._owner(session.body)

    async def _bounded(self, found: AsyncIterator[Read]) -> AsyncIterator[Read]:
        """What was not looked at yet, as long as the search may go on."""
        async for read in found:
            if read.id in self._seen:
                continue
            if len(self._seen) >= MOST:
                self.more = True
                return
            self._seen.add(read.id)
            yield read

    def _add(self, user_id: str | None) -> None:
        # What is written in metadata at Stripe may be anything.
        if user_id is not None and is_user_id(user_id):
            self.users.add(user_id)
