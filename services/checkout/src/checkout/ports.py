"""What the use cases ask of the world outside, by who asks: Stripe, the entitlements service, the broker.

``adapters`` implement all of it; tests may give less. Calls to Stripe raise StripeFailure; the other two raise
Unavailable.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from atlas_contracts.billing import BillingData
from atlas_contracts.internal_api import (
    EntitlementOverview,
    EntitlementView,
    ForgottenFacts,
    ForgottenParked,
    NewsResult,
    PaymentVerdictView,
)
from atlas_contracts.streams import StreamSpec
from atlas_kit.messaging.broker import Stored
from atlas_stripe.objects import Read


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some sessions of a list, newest first, each with its payment, charge and refunds."""

    sessions: Sequence[Read]
    has_more: bool


class ChargeReads(Protocol):
    """Reading the refunds and disputes of a charge."""

    def refunds(self, charge_id: str) -> AsyncIterator[Read]: ...

    def disputes(self, charge_id: str) -> AsyncIterator[Read]: ...


class PaymentReads(ChargeReads, Protocol):
    """Finding and reading payments: sessions with their payment and charge, by whatever id is known."""

    async def search_customers(self, user_id: str) -> list[str]: ...

    async def read_session(self, session_id: str) -> Read: ...

    async def read_charge(self, charge_id: str) -> Read: ...

    def sessions(self, **filters: Any) -> AsyncIterator[Read]: ...


class AccountReads(ChargeReads, Protocol):
    """Any session of the account: by its id, or all of them page by page; each with its payment and refunds."""

    async def read_whole_session(self, session_id: str) -> Read: ...

    async def session_page(self, after: str | None, **filters: Any) -> SessionPage: ...


class ObjectReads(Protocol):
    """Reading anything by its id alone; None for a kind of id that no payment leads to."""

    async def read_object(self, object_id: str) -> Read | None: ...

    def sessions(self, **filters: Any) -> AsyncIterator[Read]: ...


class CustomerCalls(Protocol):
    """Making and finding a user's customer."""

    async def create_customer(self, user_id: str, idempotency_key: str) -> str: ...

    async def search_customers(self, user_id: str) -> list[str]: ...

    async def read_customer(self, customer_id: str) -> Read: ...


class SaleCalls(CustomerCalls, PaymentReads, Protocol):
    """Selling: the price, and a session from its making to its end."""

    async def read_price(self, price_id: str) -> Read: ...

    async def create_session(self, parameters: Mapping[str, Any], idempotency_key: str) -> Read: ...

    async def expire_session(self, session_id: str) -> Read: ...


class PortalCalls(Protocol):
    """The billing portal and its configuration."""

    async def create_portal_session(self, customer_id: str, configuration_id: str, return_url: str) -> str: ...

    async def create_portal_configuration(self, idempotency_key: str) -> str: ...


class EraseCalls(PaymentReads, Protocol):
    """Taking a user's id out of what was written at Stripe; False where Stripe has no such object any more."""

    async def expire_session(self, session_id: str) -> Read: ...

    async def erase_user(self, object_id: str) -> bool: ...


class ClaimReads(AccountReads, Protocol):
    """Finding what another app says is a user's."""

    def sessions(self, **filters: Any) -> AsyncIterator[Read]: ...

    async def read_whole_session(self, session_id: str) -> Read: ...

    async def read_customer(self, customer_id: str) -> Read: ...


class LedgerCustomers(Protocol):
    """The Stripe customers that facts of a user's payments name, newest first."""

    async def customers(self, user_id: str) -> list[str]: ...


class LedgerErasure(Protocol):
    """Taking a user's name out of ledger, projection and state bucket; and the sessions that the ledger knows."""

    async def sessions(self, user_id: str) -> list[str]: ...

    async def forget(self, user_id: str) -> ForgottenFacts: ...


class ParkedErasure(Protocol):
    """Taking a user's parked events out of every list and redrive."""

    async def forget(self, user_id: str) -> ForgottenParked: ...


class StreamAges(Protocol):
    """How long a stream keeps its messages; None: for ever."""

    async def keeps_for(self, stream: StreamSpec) -> timedelta | None: ...


class Entitlements(Protocol):
    """Who is Pro, whether facts have taken effect, and what the policy says of a payment."""

    async def entitlement(self, user_id: str) -> EntitlementView: ...

    async def overview(self, user_id: str) -> EntitlementOverview: ...

    async def applied(self, user_id: str, event_ids: Sequence[str]) -> bool: ...

    async def verdicts(self, user_id: str, session_ids: Sequence[str]) -> dict[str, PaymentVerdictView]: ...


class News(Protocol):
    """Whether facts say something that the ledger doesn't know, and whether they have taken effect."""

    async def news(self, facts: Sequence[BillingData]) -> NewsResult: ...

    async def applied(self, user_id: str, event_ids: Sequence[str], seconds: float = ...) -> bool: ...


class Publisher(Protocol):
    """Storing an event durably."""

    async def publish(self, subject: str, payload: bytes, message_id: str, *, stream: StreamSpec) -> Stored: ...
