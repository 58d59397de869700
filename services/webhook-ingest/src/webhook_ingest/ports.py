"""What the use cases need from outside. ``app.py`` passes the adapters, tests pass fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from atlas_contracts.billing import BillingData
from atlas_kit.messaging.broker import Stored


class Publisher(Protocol):
    """Stores one message durably on one stream."""

    async def publish(self, subject: str, payload: bytes, message_id: str) -> Stored:
        """Returns once the stream has stored the message. Raises BrokerUnavailable when the broker doesn't confirm it
        in time; it may be stored all the same, and publishing it again with the same id is safe.
        """
        ...


class Ledger(Protocol):
    """What the entitlements service knows. Raises Unavailable."""

    async def news(self, facts: Sequence[BillingData]) -> frozenset[str]:
        """Event ids of those that say something new."""
        ...

    async def applied(self, event_ids: Sequence[str], seconds: float) -> bool:
        """Whether all of these have taken effect, within so many seconds."""
        ...


class ListedEvents(Protocol):
    """Stripe's list of events (``GET /v1/events``), as far back as Stripe keeps it."""

    async def now(self) -> int:
        """Stripe's time, in seconds since 1970. Raises StripeUnavailable."""
        ...

    def between(self, since: int, until: int) -> AsyncIterator[dict[str, Any]]:
        """Events created in ``[since, until)``, seconds since 1970, in no order. Raises StripeUnavailable."""
        ...


class RefreshPayments(Protocol):
    """Reads every payment whose state can still change again at Stripe."""

    async def __call__(self) -> int:
        """Returns how many payments were read. Raises Unavailable."""
        ...
